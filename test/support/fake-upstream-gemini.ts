import type { Asked, Finish, Said, Tokens } from "./fake-upstream-wire.ts"

/**
 * Gemini seen from Google's side: good answers of every kind, and what a request may hold. The real API answers
 * 400 INVALID_ARGUMENT to an unknown field or enum value, and so does the fake: a request that passes here was not
 * merely ignored. Written apart from the gateway's own translation, so that a mistake there is not mirrored.
 */

/** One function call of an answer. */
interface GeminiCall {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
  /** Gemini names its calls only sometimes. */
  readonly id?: string
  readonly signature?: string
}

/**
 * The server-sent events of `:streamGenerateContent?alt=sse`, blank lines (CRLF) included: the text in a few parts,
 * every event with the usage so far (of which many models count the candidates only at the end), the last one with the
 * reason to stop.
 */
export const geminiStreamEvents = (
  asked: Pick<Asked, "model">,
  text: string,
  tokens: Tokens | null,
  finish: Finish,
): Array<string> => {
  const pieces = cut(text)
  return pieces.map((piece, index) => {
    const last = index === pieces.length - 1
    return sseEvent({
      candidates: [
        {
          content: { parts: [{ text: piece }], role: "model" },
          ...(last && { finishReason: finishReasons[finish] }),
          index: 0,
        },
      ],
      ...(tokens && { usageMetadata: last ? usageMetadata(tokens) : usageSoFar(tokens) }),
      modelVersion: asked.model,
      responseId: "resp_fake",
    })
  })
}

/** One event as the API frames it. */
export const sseEvent = (json: unknown): string => `data: ${JSON.stringify(json)}\r\n\r\n`

/** A whole answer of function calls; as the only event of a stream it is right too. */
export const geminiToolAnswer = (
  asked: Pick<Asked, "model">,
  calls: ReadonlyArray<GeminiCall>,
  tokens: Tokens | null = { input: 10, output: 5 },
): unknown => ({
  candidates: [
    {
      content: {
        parts: calls.map(({ signature, ...functionCall }) => ({
          functionCall,
          ...(signature !== undefined && { thoughtSignature: signature }),
        })),
        role: "model",
      },
      finishReason: "STOP",
      index: 0,
    },
  ],
  ...(tokens && { usageMetadata: usageMetadata(tokens) }),
  modelVersion: asked.model,
  responseId: "resp_fake",
})

/** A whole answer with a thought before its text. */
export const geminiThoughtAnswer = (
  asked: Pick<Asked, "model">,
  thought: string,
  text: string,
  tokens: Tokens | null = { input: 10, output: 5, reasoning: 2 },
): unknown => ({
  candidates: [
    {
      content: { parts: [{ text: thought, thought: true }, { text }], role: "model" },
      finishReason: "STOP",
      index: 0,
    },
  ],
  ...(tokens && { usageMetadata: usageMetadata(tokens) }),
  modelVersion: asked.model,
  responseId: "resp_fake",
})

/** Google's mark of a thought of its own. */
export const GEMINI_SIGNATURE = "Z2VtaW5p"

/** A whole answer with or without a thought, whose signature the first call bears, or else the text. */
export const geminiThinkingAnswer = (
  asked: Pick<Asked, "model">,
  { text, thought, tokens, toolCalls }: Said,
): unknown => {
  const signed = thought !== undefined && { thoughtSignature: GEMINI_SIGNATURE }
  const parts =
    toolCalls.length > 0
      ? [
          ...(text === "" ? [] : [{ text }]),
          ...toolCalls.map((functionCall, nth) => ({ functionCall, ...(nth === 0 && signed) })),
        ]
      : [{ text, ...signed }]
  return {
    candidates: [
      {
        content: {
          parts: [...(thought === undefined ? [] : [{ text: thought, thought: true }]), ...parts],
          role: "model",
        },
        finishReason: "STOP",
        index: 0,
      },
    ],
    ...(tokens && { usageMetadata: usageMetadata(tokens) }),
    modelVersion: asked.model,
    responseId: "resp_fake",
  }
}

/** One embedding per request, of the size asked for (8 without), told apart by its first number. */
export const geminiEmbeddings = (json: unknown): unknown => {
  const requests: ReadonlyArray<unknown> = isObject(json) && Array.isArray(json.requests) ? json.requests : []
  return {
    embeddings: requests.map((request, index) => {
      const size =
        isObject(request) && typeof request.outputDimensionality === "number"
          ? request.outputDimensionality
          : 8
      return { values: Array.from({ length: size }, (_, at) => (at === 0 ? index + 0.5 : 0.25)) }
    }),
  }
}

/**
 * Why the API would refuse this body of `:generateContent` or `:batchEmbedContents`; undefined when it would not. What
 * only some models refuse is looked for when the model is told.
 */
export const geminiRequestFault = (json: unknown, model?: string): string | undefined => {
  if (isObject(json) && "requests" in json) {
    const fault = batchRequest(json, "")
    if (fault !== undefined) return fault
    return Array.isArray(json.requests) && json.requests.length > 100
      ? "BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch"
      : undefined
  }
  return request(json, "") ?? contentsFault(json) ?? (model && modelFault(json, model))
}

// --- rules across fields

const contentsFault = (json: unknown): string | undefined => {
  const contents = isObject(json) && Array.isArray(json.contents) ? json.contents.filter(isObject) : []
  if (contents.length === 0) return "contents is not specified"
  const called = new Set<unknown>()
  for (const [index, { role, parts }] of contents.entries()) {
    const before = partsOf(contents[index - 1], "functionCall")
    const results = partsOf(contents[index], "functionResponse")
    if (results.length > 0 && results.length !== before.length) {
      return "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
    }
    if (!Array.isArray(parts) || parts.length === 0) {
      return `contents[${index}].parts: contents.parts must not be empty.`
    }
    for (const part of parts.filter(isObject)) {
      if (isObject(part.functionCall)) {
        if (role !== "model") return `contents[${index}]: function call parts belong to the model`
        if (index === 0) return "Please ensure that function call turn comes immediately after a user turn"
        called.add(part.functionCall.name)
      }
      if (isObject(part.functionResponse)) {
        if (role !== "user") return `contents[${index}]: function response parts belong to the user`
        if (!called.has(part.functionResponse.name)) {
          return `contents[${index}]: function response without a function call`
        }
      }
    }
  }
  return undefined
}

const partsOf = (content: unknown, field: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  isObject(content) && Array.isArray(content.parts)
    ? content.parts.filter(isObject).filter((part) => part[field] !== undefined)
    : []

/** Gemini 3 wants the first call of each step since the user spoke signed. */
const signatureFault = (json: Readonly<Record<string, unknown>>): string | undefined => {
  const contents = Array.isArray(json.contents) ? json.contents.filter(isObject) : []
  const spoke = contents.findLastIndex(
    (content) => content.role === "user" && partsOf(content, "functionResponse").length === 0,
  )
  for (const content of contents.slice(spoke + 1)) {
    const [call] = partsOf(content, "functionCall")
    if (call !== undefined && call.thoughtSignature === undefined) {
      return "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly."
    }
  }
  return undefined
}

/** As the API words it. Gemini 1.5 and 2.x know candidates, 2.0 the penalties, 3.x JSON beside functions. */
const modelFault = (json: unknown, model: string): string | undefined => {
  if (!isObject(json)) return undefined
  if (!model.startsWith("gemini-") && JSON.stringify(json.contents).includes('"thoughtSignature"')) {
    return "Thought signatures are not supported for this model"
  }
  const unsigned = model.startsWith("gemini-3") ? signatureFault(json) : undefined
  if (unsigned !== undefined) return unsigned
  const config = isObject(json.generationConfig) ? json.generationConfig : {}
  if (Number(config.candidateCount ?? 1) > 1 && !/^gemini-[12]\./.test(model)) {
    return "Multiple candidates is not enabled for this model"
  }
  if ((config.presencePenalty || config.frequencyPenalty) && !model.startsWith("gemini-2.0-")) {
    return "Penalty is not enabled for this model"
  }
  return config.responseMimeType === "application/json" && json.tools && !model.startsWith("gemini-3")
    ? "Function calling with a response mime type: 'application/json' is unsupported"
    : undefined
}

// --- shapes: a check answers what is wrong with a value, or undefined

type Check = (value: unknown, path: string) => string | undefined

const invalid = (path: string): string => `Invalid value at '${path}'.`

const string: Check = (value, path) => (typeof value === "string" ? undefined : invalid(path))
const boolean: Check = (value, path) => (typeof value === "boolean" ? undefined : invalid(path))
const number: Check = (value, path) => (typeof value === "number" ? undefined : invalid(path))
const int32: Check = (value, path) =>
  typeof value === "number" && (value | 0) === value ? undefined : invalid(path)
const base64: Check = (value, path) =>
  typeof value === "string" && /^[\w+/-]*={0,2}$/.test(value)
    ? undefined
    : `${invalid(path)} Base64 decoding failed`
const struct: Check = (value, path) => (isObject(value) ? undefined : invalid(path))
const schema: Check = struct

const oneOf =
  (...names: ReadonlyArray<string>): Check =>
  (value, path) =>
    typeof value === "string" && names.includes(value) ? undefined : invalid(path)

const between =
  (low: number, high: number, check: Check): Check =>
  (value, path) =>
    check(value, path) ??
    (typeof value === "number" && value >= low && value <= high ? undefined : invalid(path))

const list =
  (check: Check, max = Number.POSITIVE_INFINITY): Check =>
  (value, path) => {
    if (!Array.isArray(value) || value.length > max) return invalid(path)
    for (const [index, item] of value.entries()) {
      const fault = check(item, `${path}[${index}]`)
      if (fault !== undefined) return fault
    }
    return undefined
  }

const message =
  (fields: Readonly<Record<string, Check>>, required: ReadonlyArray<string> = []): Check =>
  (value, path) => {
    if (!isObject(value)) return invalid(path)
    for (const [name, inner] of Object.entries(value)) {
      const check = fields[name]
      const at = path === "" ? name : `${path}.${name}`
      if (check === undefined) {
        return `Invalid JSON payload received. Unknown name "${name}" at '${path}': Cannot find field.`
      }
      const fault = check(inner, at)
      if (fault !== undefined) return fault
    }
    const missing = required.find((name) => value[name] === undefined)
    return missing === undefined ? undefined : `${path}.${missing}: required field is missing`
  }

/** Exactly one of these fields beside any others: a protobuf `oneof`. */
const exactlyOne =
  (names: ReadonlyArray<string>, check: Check): Check =>
  (value, path) =>
    check(value, path) ??
    (isObject(value) && names.filter((name) => name in value).length === 1
      ? undefined
      : `${path}: required oneof field 'data' must have one initialized field`)

const part = exactlyOne(
  ["text", "inlineData", "functionCall", "functionResponse", "fileData"],
  message({
    text: string,
    inlineData: message({ mimeType: string, data: base64 }, ["mimeType", "data"]),
    fileData: message({ mimeType: string, fileUri: string }, ["fileUri"]),
    functionCall: message({ id: string, name: string, args: struct }, ["name"]),
    functionResponse: message(
      {
        id: string,
        name: string,
        response: struct,
        parts: list(message({ inlineData: message({ mimeType: string, data: base64 }) })),
      },
      ["name", "response"],
    ),
    thought: boolean,
    thoughtSignature: base64,
  }),
)

const content = message({ role: oneOf("user", "model"), parts: list(part) })

const thinkingConfig: Check = (value, path) =>
  message({
    includeThoughts: boolean,
    thinkingBudget: between(-1, 32_768, int32),
    thinkingLevel: oneOf("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"),
  })(value, path) ??
  (isObject(value) && "thinkingBudget" in value && "thinkingLevel" in value
    ? "You can only set one of thinking budget and thinking level"
    : undefined)

const generationConfig = message({
  candidateCount: between(1, 8, int32),
  stopSequences: list(string, 5),
  maxOutputTokens: between(1, 1_000_000, int32),
  temperature: between(0, 2, number),
  topP: between(0, 1, number),
  topK: int32,
  seed: int32,
  presencePenalty: between(-2, 2, number),
  frequencyPenalty: between(-2, 2, number),
  responseLogprobs: boolean,
  logprobs: between(0, 20, int32),
  responseMimeType: oneOf("text/plain", "application/json", "text/x.enum"),
  responseSchema: schema,
  responseJsonSchema: schema,
  responseModalities: list(oneOf("TEXT", "IMAGE", "AUDIO")),
  imageConfig: message({ aspectRatio: string, imageSize: string }),
  thinkingConfig,
})

const functionDeclaration = message(
  {
    name: (value, path) =>
      typeof value === "string" && /^[A-Za-z_][\w.:-]{0,127}$/.test(value)
        ? undefined
        : `${path}: Invalid function name.`,
    description: string,
    parameters: schema,
    parametersJsonSchema: schema,
  },
  ["name"],
)

const functionCallingConfig: Check = (value, path) =>
  message({ mode: oneOf("AUTO", "ANY", "NONE", "VALIDATED"), allowedFunctionNames: list(string) })(
    value,
    path,
  ) ??
  (isObject(value) && "allowedFunctionNames" in value && value.mode !== "ANY" && value.mode !== "VALIDATED"
    ? `${path}: allowed function names need mode ANY or VALIDATED`
    : undefined)

const request = message({
  contents: list(content),
  systemInstruction: content,
  generationConfig,
  tools: list(message({ functionDeclarations: list(functionDeclaration) })),
  toolConfig: message({ functionCallingConfig }),
  safetySettings: list(message({ category: string, threshold: string }, ["category", "threshold"])),
  serviceTier: oneOf("flex", "standard", "priority"),
})

const batchRequest = message({
  requests: list(
    message(
      {
        model: (value, path) =>
          typeof value === "string" && value.startsWith("models/") ? undefined : invalid(path),
        content,
        taskType: string,
        title: string,
        outputDimensionality: between(1, 3072, int32),
      },
      ["model", "content"],
    ),
  ),
})

// --- odds and ends of the wire

const finishReasons = { stop: "STOP", length: "MAX_TOKENS", content_filter: "SAFETY" } as const

const usageMetadata = ({ input, output, cached, reasoning }: Tokens) => ({
  promptTokenCount: input,
  candidatesTokenCount: output - (reasoning ?? 0),
  totalTokenCount: input + output,
  ...(cached !== undefined && { cachedContentTokenCount: cached }),
  ...(reasoning !== undefined && { thoughtsTokenCount: reasoning }),
})

const usageSoFar = (tokens: Tokens) => {
  const { candidatesTokenCount: _, ...counts } = usageMetadata({ ...tokens, output: tokens.reasoning ?? 0 })
  return counts
}

/** In at most four pieces of whole characters; an empty text is one empty piece. */
const cut = (text: string): Array<string> => {
  const characters = Array.from(text)
  const size = Math.max(1, Math.ceil(characters.length / 4))
  const pieces: Array<string> = []
  for (let at = 0; at < characters.length; at += size) pieces.push(characters.slice(at, at + size).join(""))
  return pieces.length > 0 ? pieces : [""]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
