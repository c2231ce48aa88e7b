/** Bodies of a wanted size that are as much work as JSON can make of so many bytes, each in a way of its own. */
export interface HeavyBody {
  readonly name: string
  readonly endpoint: "/infer" | "/v1/chat/completions" | "/v1/embeddings" | "/v1/messages" | "/v1/responses"
  readonly make: (bytes: number) => Buffer
}

/** Repeats an item, numbered, with commas between, until there is no room for another. */
const items = (bytes: number, item: (index: number) => string): string => {
  const pieces: Array<string> = []
  for (let length = 0, index = 0; ; index++) {
    const piece = item(index)
    length += piece.length + 1
    if (length > bytes) return pieces.join()
    pieces.push(piece)
  }
}

const times = (bytes: number, piece: string): string =>
  piece.repeat(Math.floor(bytes / Buffer.byteLength(piece)))

/** Room for what stands around the filling. */
const FRAME = 400

const shape =
  (endpoint: HeavyBody["endpoint"], frame: (filling: string) => string) =>
  (name: string, filling: (bytes: number) => string): HeavyBody => ({
    name: `${endpoint}: ${name}`,
    endpoint,
    make: (bytes) => Buffer.from(frame(filling(bytes - FRAME))),
  })

const USER = '{"role":"user","content":"hello"}'

/** Members of the outermost object. */
const fields = shape("/v1/chat/completions", (more) => `{"model":"m","messages":[${USER}],${more}}`)
const messages = shape("/v1/chat/completions", (list) => `{"model":"m","messages":[${list}]}`)
const parts = shape(
  "/v1/chat/completions",
  (list) => `{"model":"m","messages":[{"role":"user","content":[${list}]}]}`,
)
const text = shape(
  "/v1/chat/completions",
  (content) => `{"model":"m","messages":[{"role":"user","content":"${content}"}]}`,
)
const anything = shape("/v1/chat/completions", (json) => json)
const inferFields = shape("/infer", (more) => `{"prompt":"hello",${more}}`)
const inferMessages = shape("/infer", (list) => `{"messages":[${list}]}`)
const prompt = shape("/infer", (content) => `{"prompt":"${content}"}`)
const inputs = shape("/v1/embeddings", (list) => `{"model":"m","input":[${list}]}`)
const input = shape("/v1/embeddings", (value) => `{"model":"m","input":${value}}`)
const embeddingFields = shape("/v1/embeddings", (more) => `{"model":"m","input":"hello",${more}}`)

const responseItems = shape("/v1/responses", (list) => `{"model":"m","input":[${list}]}`)
const responseTools = shape("/v1/responses", (list) => `{"model":"m","input":"hello","tools":[${list}]}`)
const turns = shape("/v1/messages", (list) => `{"model":"m","max_tokens":9,"messages":[${list}]}`)
const blocks = shape(
  "/v1/messages",
  (list) => `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[${list}]}]}`,
)
const calls = shape(
  "/v1/messages",
  (list) => `{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[${list}]}]}`,
)
const settings = shape("/v1/messages", (more) => `{"model":"m","max_tokens":9,"messages":[${USER}],${more}}`)

const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels)
const schema = (bytes: number): string =>
  `{"type":"object","properties":{${items(bytes, (i) => `"p${i}":{"type":"string","description":"what it is","enum":["a","b"]}`)}}}`

export const heavyBodies: ReadonlyArray<HeavyBody> = [
  fields("many fields", (bytes) => items(bytes, (i) => `"f${i}":0`)),
  fields("many fields with the same name", (bytes) => items(bytes, () => '"f":0')),
  fields("many fields with numbers for names", (bytes) => items(bytes, (i) => `"${(i * 7919) % 1e9}":0`)),
  fields("many escaped names", (bytes) => items(bytes, (i) => `"\\u0066${i}":0`)),
  fields("many fields within one", (bytes) => `"metadata":{${items(bytes, (i) => `"f${i}":0`)}}`),
  fields("many small objects", (bytes) => `"x":[${items(bytes, () => '{"a":{}}')}]`),
  fields("many empty lists", (bytes) => `"x":[${items(bytes, () => "[]")}]`),
  fields("many objects of different shapes", (bytes) => `"x":[${items(bytes, (i) => `{"a${i}":1}`)}]`),
  fields("many zeros", (bytes) => `"x":[${items(bytes, () => "0")}]`),
  fields("many long numbers", (bytes) => `"x":[${items(bytes, () => "12345678901234567")}]`),
  fields(
    "one long number and many short",
    (bytes) => `"y":12345678901234567,"x":[${items(bytes, () => "0")}]`,
  ),
  fields(
    "one long number and many fields",
    (bytes) => `"y":12345678901234567,"x":{${items(bytes, (i) => `"f${i}":0`)}}`,
  ),
  fields("a huge number", (bytes) => `"x":${times(bytes, "9")}`),
  fields("a huge fraction", (bytes) => `"x":0.${times(bytes, "9")}`),
  fields("many exponents", (bytes) => `"x":[${items(bytes, () => "1.7976931348623157e308")}]`),
  fields("deep nesting, often", (bytes) => `"x":[${items(bytes, () => deep(250))}]`),
  fields(
    "stream_options of many fields",
    (bytes) => `"stream":true,"stream_options":{${items(bytes, (i) => `"f${i}":0`)}}`,
  ),
  fields("many stop sequences", (bytes) => `"stop":[${items(bytes, () => '""')}]`),
  fields("stop sequences, the last a number", (bytes) => `"stop":[${items(bytes, () => '""')},1]`),
  fields("a big logit_bias", (bytes) => `"logit_bias":{${items(bytes, (i) => `"${i}":1`)}}`),
  fields(
    "many tools",
    (bytes) => `"tools":[${items(bytes, (i) => `{"type":"function","function":{"name":"f${i}"}}`)}]`,
  ),
  fields(
    "a tool with a huge schema",
    (bytes) => `"tools":[{"type":"function","function":{"name":"f","parameters":${schema(bytes)}}}]`,
  ),
  fields(
    "a huge response format",
    (bytes) =>
      `"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":${schema(bytes)}}}`,
  ),
  fields(
    "many allowed tools",
    (bytes) =>
      `"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[${items(bytes, () => '{"type":"function","function":{"name":"f"}}')}]}}`,
  ),
  responseItems("many calls, and words after them", (bytes) =>
    items(bytes, (i) =>
      i === 0
        ? '{"type":"function_call","call_id":"1","name":"f","arguments":"{}"}'
        : '{"role":"assistant","content":[{"type":"refusal","refusal":"r"}]}',
    ),
  ),
  responseItems("items of no known type", (bytes) => items(bytes, () => '{"type":"x"}')),
  responseItems("many reasoning items", (bytes) =>
    items(bytes, (i) => `{"type":"reasoning","id":"${i}","summary":[],"encrypted_content":"e"}`),
  ),
  responseItems(
    "reasoning of many summaries",
    (bytes) =>
      `{"type":"reasoning","id":"r","encrypted_content":"e","summary":[${items(bytes, () => '{"type":"summary_text","text":"t"}')}]},{"role":"assistant","content":"a"}`,
  ),
  responseItems(
    "a message of many parts",
    (bytes) => `{"role":"user","content":[${items(bytes, () => '{"type":"input_text","text":"t"}')}]}`,
  ),
  responseTools("many tools", (bytes) => items(bytes, (i) => `{"type":"function","name":"f${i}"}`)),
  responseTools(
    "a namespace of many tools",
    (bytes) =>
      `{"type":"namespace","name":"n","tools":[${items(bytes, (i) => `{"type":"function","name":"f${i}"}`)}]}`,
  ),
  messages(
    "many reasoning details of one id",
    (bytes) =>
      `{"role":"assistant","content":"a","reasoning_details":[${items(bytes, (i) => `{"type":"reasoning.${i % 2 ? "encrypted" : "summary"}","id":"r","data":"e","summary":"s","format":"openai-responses-v1"}`)}]}`,
  ),
  messages("many messages", (bytes) => items(bytes, () => '{"role":"user","content":""}')),
  messages("many turns", (bytes) =>
    items(bytes, (i) => (i % 2 ? '{"role":"assistant","content":"a"}' : '{"role":"user","content":"u"}')),
  ),
  messages("many instructions", (bytes) => items(bytes, () => '{"role":"system","content":"s"}')),
  messages(
    "many messages, the last without a role",
    (bytes) => `${items(bytes, () => '{"role":"user","content":""}')},{}`,
  ),
  messages("many empty messages", (bytes) => items(bytes, () => "{}")),
  messages(
    "a message of many fields",
    (bytes) => `{"role":"user","content":"hi",${items(bytes, (i) => `"f${i}":0`)}}`,
  ),
  messages("messages of a hundred fields", (bytes) =>
    items(bytes, () => `{"role":"user","content":"hi",${items(800, (i) => `"f${i}":0`)}}`),
  ),
  messages("a role that is much", (bytes) => `{"role":{${items(bytes, (i) => `"f${i}":0`)}}}`),
  messages(
    "content that is no content",
    (bytes) => `{"role":"user","content":{${items(bytes, (i) => `"f${i}":0`)}}}`,
  ),
  messages(
    "a message of many tool calls",
    (bytes) =>
      `{"role":"assistant","tool_calls":[${items(bytes, (i) => `{"id":"${i}","type":"function","function":{"name":"f","arguments":"{}"}}`)}]}`,
  ),
  messages(
    "a tool call with huge arguments",
    (bytes) =>
      `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{${items(bytes, (i) => `\\"f${i}\\":0`)}}"}}]}`,
  ),
  messages(
    "a tool result that is huge JSON",
    (bytes) =>
      `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"{${items(bytes, (i) => `\\"f${i}\\":0`)}}"}`,
  ),
  messages(
    "a tool result of many long numbers",
    (bytes) =>
      `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"{\\"x\\":[${items(bytes, () => "12345678901234567")}]}"}`,
  ),
  messages("many tool calls and results", (bytes) =>
    items(
      bytes,
      (i) =>
        `{"role":"assistant","tool_calls":[{"id":"${i}","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"${i}","content":"r"}`,
    ),
  ),
  parts("many parts", (bytes) => items(bytes, () => '{"type":"text","text":""}')),
  parts("many parts, the last a number", (bytes) => `${items(bytes, () => '{"type":"text","text":""}')},1`),
  parts(
    "a part of many fields",
    (bytes) => `{"type":"text","text":"hi",${items(bytes, (i) => `"f${i}":0`)}}`,
  ),
  parts("many images by URL", (bytes) =>
    items(bytes, () => '{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}'),
  ),
  parts(
    "a big data URL",
    (bytes) => `{"type":"image_url","image_url":{"url":"data:image/png;base64,${times(bytes, "iVBORw0K")}"}}`,
  ),
  parts(
    "a data URL whose head does not end",
    (bytes) => `{"type":"image_url","image_url":{"url":"data:image/png${times(bytes, ";a=b")}"}}`,
  ),
  text("a long text", (bytes) => times(bytes, "lorem ipsum dolor ")),
  text("a long text of escaped quotes", (bytes) => times(bytes, '\\"')),
  text("a long text of escaped letters", (bytes) => times(bytes, "\\u0041")),
  text("a long text of escaped halves", (bytes) => times(bytes, "\\ud800")),
  text("a long text of Chinese", (bytes) => times(bytes, "\u6f22\u5b57")),
  text("a long text of emoji", (bytes) => times(bytes, "\u{1f600}")),
  anything("white space", (bytes) => `${times(bytes, " ")}${messagesOf(USER)}`),
  anything("lines of white space", (bytes) => `{"model":"m",${times(bytes, "\n\t ")}"messages":[${USER}]}`),
  anything("a body that ends too early", (bytes) => `{"model":"m","messages":[${items(bytes, () => USER)}`),
  anything(
    "a body with a comma too much",
    (bytes) => `{"model":"m","messages":[${items(bytes, () => USER)},]}`,
  ),
  anything("many quotes", (bytes) => times(bytes, '"')),
  anything("many backslashes in a text without an end", (bytes) => `{"model":"${times(bytes, "\\")}`),
  anything("many colons", (bytes) => `{"a"${times(bytes, ":")}`),
  anything("many commas", (bytes) => `{"a":1${times(bytes, " ,")}`),
  anything("many minus signs", (bytes) => `[${times(bytes, "-")}`),
  anything("a list", (bytes) => `[${items(bytes, () => USER)}]`),
  anything("a text alone", (bytes) => `"${times(bytes, "lorem ipsum ")}"`),
  anything("nesting without end", (bytes) => times(bytes, '{"a":')),
  anything(
    "no UTF-8 at its end",
    (bytes) => `{"model":"m","messages":[{"role":"user","content":"${times(bytes, "abcd")}`,
  ),
  inferFields("many fields", (bytes) => items(bytes, (i) => `"f${i}":0`)),
  inferFields("many fields with the same name", (bytes) => items(bytes, () => '"f":0')),
  inferMessages("many messages", (bytes) => items(bytes, () => '{"role":"user","content":""}')),
  inferMessages("many messages of one part", (bytes) =>
    items(bytes, () => '{"role":"user","content":[{"type":"text","text":""}]}'),
  ),
  inferMessages(
    "many messages, the last without a role",
    (bytes) => `${items(bytes, () => '{"role":"user","content":""}')},{}`,
  ),
  inferMessages(
    "a message of many parts",
    (bytes) => `{"role":"user","content":[${items(bytes, () => '{"type":"text","text":""}')}]}`,
  ),
  inferMessages(
    "a message of many parts, the last without a type",
    (bytes) => `{"role":"user","content":[${items(bytes, () => '{"type":"text","text":""}')},{}]}`,
  ),
  inferMessages(
    "a message of many fields",
    (bytes) => `{"role":"user","content":"hi",${items(bytes, (i) => `"f${i}":0`)}}`,
  ),
  prompt("a long text", (bytes) => times(bytes, "lorem ipsum dolor ")),
  prompt("a long text of escapes", (bytes) => times(bytes, '\\n\\"')),
  prompt("a long text of emoji", (bytes) => times(bytes, "\u{1f600}")),
  inputs("many texts", (bytes) => items(bytes, () => '"a"')),
  inputs("many texts, the last empty", (bytes) => `${items(bytes, () => '"a"')},""`),
  inputs("many texts, the last a number", (bytes) => `${items(bytes, () => '"a"')},1`),
  inputs("a text and many numbers", (bytes) => `"a",${items(bytes, () => "1")}`),
  inputs("many token ids", (bytes) => items(bytes, () => "1")),
  inputs("many token ids of six digits", (bytes) => items(bytes, () => "100257")),
  inputs("many token ids, the last negative", (bytes) => `${items(bytes, () => "1")},-1`),
  inputs("many token ids, the last no integer", (bytes) => `${items(bytes, () => "1")},1.5`),
  inputs("many token ids, the last a text", (bytes) => `${items(bytes, () => "1")},"a"`),
  inputs("many lists of a token id", (bytes) => items(bytes, () => "[1]")),
  inputs("many lists of a token id, the last empty", (bytes) => `${items(bytes, () => "[1]")},[]`),
  inputs(
    "two lists of many token ids",
    (bytes) => `[${items(bytes / 2, () => "1")}],[${items(bytes / 2, () => "1")}]`,
  ),
  inputs("many long texts", (bytes) => items(bytes, () => `"${"lorem ipsum ".repeat(200)}"`)),
  inputs("many nulls", (bytes) => items(bytes, () => "null")),
  input("a long text", (bytes) => `"${times(bytes, "lorem ipsum dolor ")}"`),
  input("an object", (bytes) => `{${items(bytes, (i) => `"f${i}":0`)}}`),
  embeddingFields("many fields", (bytes) => items(bytes, (i) => `"f${i}":0`)),
  responseItems("many calls and outputs", (bytes) =>
    items(
      bytes,
      (i) =>
        `{"type":"function_call","call_id":"${i}","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"${i}","output":"r"}`,
    ),
  ),
  responseItems("many calls of one id", (bytes) =>
    items(bytes, () => '{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}'),
  ),
  responseItems("many custom calls and outputs", (bytes) =>
    items(
      bytes,
      (i) =>
        `{"type":"custom_tool_call","call_id":"${i}","name":"f","input":"x"},{"type":"custom_tool_call_output","call_id":"${i}","output":[{"type":"input_image","image_url":"data:image/png;base64,AA=="}]}`,
    ),
  ),
  responseItems("many messages of the model, with reasoning between", (bytes) =>
    items(bytes, (i) =>
      i % 2
        ? '{"role":"assistant","content":"a"}'
        : '{"type":"reasoning","summary":[{"type":"summary_text","text":"t"}]}',
    ),
  ),
  responseTools(
    "many searches",
    (bytes) => `{"type":"function","name":"f"},${items(bytes, () => '{"type":"web_search"}')}`,
  ),
  calls("many calls of one id", (bytes) =>
    items(bytes, () => '{"type":"tool_use","id":"c","name":"f","input":{}}'),
  ),
  calls("many calls of ids that Claude does not take", (bytes) =>
    items(bytes, () => '{"type":"tool_use","id":"a.b","name":"f","input":{}}'),
  ),
  calls("many calls whose ids are taken by made-up ones", (bytes) =>
    items(bytes, (i) => `{"type":"tool_use","id":"${i % 2 ? "a.b" : `call_${i}`}","name":"f","input":{}}`),
  ),
  turns("many calls and results, one turn each", (bytes) =>
    items(
      bytes,
      (i) =>
        `{"role":"assistant","content":[{"type":"tool_use","id":"c${i}","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c${i}","content":"r"}]}`,
    ),
  ),
  turns("many instructions among turns", (bytes) =>
    items(bytes, (i) => (i % 2 ? '{"role":"system","content":"s"}' : '{"role":"user","content":"u"}')),
  ),
  turns("many turns that other vendors thought about", (bytes) =>
    items(
      bytes,
      () =>
        '{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""},{"type":"text","text":"a"}]}',
    ),
  ),
  turns("many redacted thoughts", (bytes) =>
    items(bytes, () => '{"role":"assistant","content":[{"type":"redacted_thinking","data":"t"}]}'),
  ),
  blocks(
    "a document of many blocks",
    (bytes) =>
      `{"type":"document","title":"t","context":"c","source":{"type":"content","content":[${items(bytes, () => '{"type":"text","text":"a"}')}]}}`,
  ),
  blocks("documents within documents", (bytes) =>
    items(
      bytes,
      () =>
        `${'{"type":"document","title":"t","source":{"type":"content","content":['.repeat(60)}${"]}}".repeat(60)}`,
    ),
  ),
  blocks(
    "long titles within each other",
    (bytes) =>
      `${`{"type":"document","title":"${"x".repeat(bytes / 61 - 90)}","source":{"type":"content","content":[`.repeat(60)}{"type":"text","text":"a"}${"]}}".repeat(60)}`,
  ),
  blocks(
    "one result of many blocks",
    (bytes) =>
      `{"type":"tool_result","tool_use_id":"c","is_error":true,"cache_control":{},"content":[${items(bytes, () => '{"type":"text","text":"a"}')}]}`,
  ),
  blocks("many thousand results of one call", (bytes) =>
    items(bytes, () => '{"type":"tool_result","tool_use_id":"c","content":"r"}'),
  ),
  settings("a user with a long name", (bytes) => `"metadata":{"user_id":"${times(bytes, "u")}"}`),
  settings(
    "a schema of lists within lists",
    (bytes) =>
      `"output_config":{"format":{"type":"json_schema","schema":{"type":"object","anyOf":[${items(bytes, () => '{"type":"object","properties":{},"additionalProperties":false}')}]}}}`,
  ),
  settings("many stop sequences", (bytes) => `"stop_sequences":[${items(bytes, () => '"a"')}]`),
  settings("many fields", (bytes) => items(bytes, (i) => `"f${i}":0`)),
  settings(
    "many instructions",
    (bytes) =>
      `"system":[${items(bytes, () => '{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}')}]`,
  ),
  turns("many turns", (bytes) => items(bytes, () => USER)),
  blocks("many blocks", (bytes) => items(bytes, () => '{"type":"text","text":"a","cache_control":{}}')),
  blocks("a long text", (bytes) => `{"type":"text","text":"${times(bytes - 30, "a")}"}`),
  blocks("many results with images", (bytes) =>
    items(
      bytes,
      (i) =>
        `{"type":"tool_result","tool_use_id":"c${i}","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]}`,
    ),
  ),
  calls("many calls", (bytes) =>
    items(
      bytes,
      (i) => `{"type":"tool_use","id":"c${i}","name":"f","input":{"a":[1,2,3]},"extra_content":{}}`,
    ),
  ),
  calls(
    "one call with a large input",
    (bytes) => `{"type":"tool_use","id":"c","name":"f","input":${schema(bytes)}}`,
  ),
  calls("many thoughts", (bytes) => items(bytes, () => '{"type":"thinking","thinking":"a","signature":""}')),
  settings(
    "many tools",
    (bytes) =>
      `"tools":[${items(bytes, (i) => `{"name":"f${i}","input_schema":{"type":"object"},"cache_control":{}}`)}]`,
  ),
  settings(
    "a schema of many fields",
    (bytes) => `"output_config":{"format":{"type":"json_schema","schema":${schema(bytes)}}}`,
  ),
]

function messagesOf(list: string): string {
  return `{"model":"m","messages":[${list}]}`
}
