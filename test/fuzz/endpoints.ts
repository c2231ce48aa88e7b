/** A path of the gateway, and bodies that it takes, without their model. */
export interface Endpoint {
  readonly method: string
  readonly path: string
  readonly bodies: ReadonlyArray<Readonly<Record<string, unknown>>>
}

const user = { role: "user", content: "hello" }
const call = { id: "c1", type: "function", function: { name: "f", arguments: '{"a":[1,{"b":null}]}' } }
const tool = {
  type: "function",
  function: {
    name: "f",
    description: "d",
    parameters: { type: "object", properties: { a: { type: "string", minLength: 1 } }, required: ["a"] },
  },
}

const chats: Endpoint["bodies"] = [
  { messages: [user] },
  {
    messages: [{ role: "system", content: "s" }, user],
    stream: true,
    stream_options: { include_usage: true },
  },
  { messages: [user], max_tokens: 5, temperature: 0.5, top_p: 1, n: 1, stop: ["a", "b"], seed: 7, user: "u" },
  {
    messages: [user],
    max_completion_tokens: 5,
    logit_bias: {},
    logprobs: true,
    top_logprobs: 2,
    metadata: { a: "b" },
  },
  {
    messages: [
      user,
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: '{"r":1}' },
    ],
    tools: [tool],
    tool_choice: "auto",
    parallel_tool_calls: true,
  },
  {
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "what is it?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=", detail: "low" } },
          { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } },
          { type: "file", file: { file_data: "data:application/pdf;base64,AAAA", filename: "a.pdf" } },
        ],
      },
    ],
    response_format: {
      type: "json_schema",
      json_schema: { name: "s", schema: { type: "object" }, strict: true },
    },
    reasoning_effort: "low",
  },
]

const items: Endpoint["bodies"] = [
  { input: "hello" },
  {
    instructions: "s",
    input: [
      { role: "user", content: [{ type: "input_text", text: "t" }] },
      {
        type: "reasoning",
        id: "rs_1",
        summary: [{ type: "summary_text", text: "t" }],
        encrypted_content: "e",
      },
      { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: [{ type: "input_text", text: "r" }] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "a", annotations: [] }] },
    ],
    tools: [{ type: "function", name: "f", parameters: { type: "object" } }],
    tool_choice: { type: "function", name: "f" },
    reasoning: { effort: "low", summary: "auto" },
    text: { format: { type: "json_object" }, verbosity: "low" },
    include: ["reasoning.encrypted_content"],
    max_output_tokens: 5,
  },
  { input: "hello", stream: true, temperature: 0.5, metadata: { a: "b" } },
]

const block = { type: "text", text: "t", cache_control: { type: "ephemeral", ttl: "1h" } }
const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } }

const conversations: Endpoint["bodies"] = [
  { max_tokens: 9, messages: [user] },
  {
    max_tokens: 2_000,
    stream: true,
    system: [block],
    messages: [user, { role: "assistant", content: [block] }, user],
    metadata: { user_id: "u" },
    stop_sequences: ["a"],
    temperature: 0.5,
    thinking: { type: "enabled", budget_tokens: 1_024 },
  },
  {
    max_tokens: 9,
    system: "s",
    messages: [
      { role: "user", content: [block, image, { type: "document", source: { type: "text", data: "d" } }] },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "t", signature: "c2ln" },
          { type: "redacted_thinking", data: "d" },
          { type: "tool_use", id: "c1", name: "f", input: { a: [1, { b: null }] } },
        ],
      },
      {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: "c1", content: [block], is_error: true }],
      },
      { role: "system", content: "s" },
    ],
    tools: [{ name: "f", description: "d", input_schema: { type: "object", properties: {} }, strict: true }],
    tool_choice: { type: "tool", name: "f", disable_parallel_tool_use: true },
    output_config: { effort: "low", format: { type: "json_schema", schema: { type: "object" } } },
    service_tier: "auto",
  },
]

export const inference: ReadonlyArray<Endpoint> = [
  {
    method: "POST",
    path: "/infer",
    bodies: [
      { prompt: "hello" },
      {
        messages: [
          { role: "user", content: [{ type: "text", text: "hello" }] },
          { role: "assistant", content: "a" },
        ],
      },
      { prompt: "hello", max_tokens: 9, temperature: 1, stream: true, explain: true },
      { prompt: "hello", dry_run: true },
    ],
  },
  { method: "POST", path: "/v1/chat/completions", bodies: chats },
  {
    method: "POST",
    path: "/v1/embeddings",
    bodies: [
      { input: "a text" },
      { input: ["one", "two"], dimensions: 8, encoding_format: "base64" },
      { input: [1, 2, 3], user: "u" },
      { input: [[1, 2], [3]], encoding_format: "float" },
    ],
  },
  { method: "POST", path: "/v1/responses", bodies: items },
  { method: "POST", path: "/v1/responses/compact", bodies: items },
  { method: "POST", path: "/v1/messages", bodies: conversations },
  { method: "POST", path: "/v1/messages/count_tokens", bodies: conversations },
]

const get = (path: string): Endpoint => ({ method: "GET", path, bodies: [] })

export const others: ReadonlyArray<Endpoint> = [
  get("/livez"),
  get("/readyz"),
  get("/metrics"),
  get("/docs"),
  get("/openapi.json"),
  get("/v1/models"),
  get("/v1/models/auto"),
  get("/v1/models/sim%2Fm"),
  get("/admin/keys"),
  get("/admin/keys/abcdefghijkl"),
  get("/admin/teams"),
  get("/admin/teams/search"),
  get("/admin/budgets"),
  get("/admin/budgets/1"),
  get("/admin/audit?limit=5&subject=abcdefghijkl"),
  get("/analytics/usage-by-key"),
  get("/analytics/usage-by-provider?from=2026-11-01T00:00:00Z&to=2026-11-02"),
  get("/analytics/timeseries?bucket=hour"),
  get("/analytics/requests?limit=5"),
  get("/analytics/requests?status=503&min_latency_ms=10000&min_cost_usd=0.05"),
  get("/analytics/requests/0190b1f0-0000-7000-8000-000000000000"),
  get("/analytics/overview?from=2026-11-01T00:00:00Z&to=2026-11-02&model=m"),
  get("/admin/models"),
  get("/nothing"),
  {
    method: "POST",
    path: "/admin/routes/dry-run",
    bodies: [
      { prompt: "hello", max_tokens: 9, stream: true },
      { prompt: "hello", key_id: "abcdefghijkl" },
    ],
  },
  {
    method: "POST",
    path: "/admin/keys",
    bodies: [{ name: "n" }, { name: "n", rpm: 5, models: ["auto"], expires_at: "2036-01-01T00:00:00Z" }],
  },
  {
    method: "PATCH",
    path: "/admin/keys/abcdefghijkl",
    bodies: [
      { rpm: null, tpm: 5, concurrency: 1, team: "search", tags: ["a"], may_issue: true, models: null },
      { budget_usd: 5, budget_window: "day", expires_at: null },
    ],
  },
  {
    method: "POST",
    path: "/admin/teams",
    bodies: [{ name: "search" }, { name: "search", rpm: 5, tpm: 1, concurrency: 1 }],
  },
  { method: "PATCH", path: "/admin/teams/search", bodies: [{ rpm: null }] },
  { method: "DELETE", path: "/admin/teams/search", bodies: [{}] },
  {
    method: "PUT",
    path: "/admin/budgets",
    bodies: [
      { scope: "gateway", window: "day", limit_usd: 0.5, alert_percents: [50], time_zone: "Europe/Berlin" },
      { scope: "user", subject: "ada", window: "total", limit_usd: 5 },
    ],
  },
  { method: "POST", path: "/admin/budgets/1/reset", bodies: [{}] },
  { method: "DELETE", path: "/admin/budgets/1", bodies: [{}] },
  {
    method: "POST",
    path: "/v1/keys",
    bodies: [
      { name: "n", budget_usd: 1 },
      { name: "n", budget_usd: 0.5, rpm: 5, models: ["auto"], tags: ["t"] },
    ],
  },
  { method: "DELETE", path: "/v1/keys/abcdefghijkl", bodies: [] },
  { method: "POST", path: "/admin/keys/abcdefghijkl/rotate", bodies: [{}, { grace_seconds: 5 }] },
  { method: "POST", path: "/admin/keys/abcdefghijkl/revoke", bodies: [{}] },
]
