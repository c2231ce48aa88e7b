import { Dice } from "./Dice.ts"
import { type Endpoint, inference, others } from "./endpoints.ts"
import { mutatedBytes, mutatedJson } from "./json-mutations.ts"

/** One request as bytes, right or wrong, that a seed and a number make. */
export interface FuzzCase {
  readonly index: number
  readonly bytes: Buffer
  readonly method: string
  readonly target: string
  /**
   * Whether its end is known without doubt: then it may share a connection, and gets an answer. Other requests may also be
   * answered by the HTTP parser, or by the end of the connection.
   */
  readonly framed: boolean
  /** Whether nothing may follow it on its connection. */
  readonly last: boolean
}

export interface FuzzOptions {
  readonly seed: string
  /** What the requests that are let in carry. */
  readonly apiKey: string
  readonly adminToken: string
  readonly models: ReadonlyArray<string>
}

export const makeCase = (options: FuzzOptions, index: number): FuzzCase => {
  const dice = new Dice(options.seed, index)
  const endpoint = dice.chance(0.85) ? dice.pick(inference) : dice.pick(others)
  const target = targetOf(dice, endpoint.path)
  const method = dice.chance(0.04) ? dice.pick(methods) : endpoint.method
  const body = bodyOf(dice, endpoint, options)
  const headers = headersOf(dice, endpoint, options)
  const framed = dice.chance(0.85)
  const head = (...more: ReadonlyArray<string>) =>
    `${[`${method} ${target} HTTP/1.1`, "Host: fuzz", ...headers, ...more].join("\r\n")}\r\n\r\n`
  const whole = framed && dice.chance(0.15) ? chunked(dice, head, body) : counted(head, body)
  // Node drops what comes in one piece with a request that offers an upgrade.
  const last = headers.some((header) => /^Connection: (close|Upgrade)$/.test(header))
  return {
    index,
    method,
    target,
    framed,
    last,
    bytes: framed ? whole : brokenFraming(dice, head, body, whole),
  }
}

const methods = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "M-SEARCH",
  "QUERY",
]

const pathTricks: ReadonlyArray<(path: string) => string> = [
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => path.toUpperCase(),
  (path) => `/.${path}`,
  (path) => `/admin/..${path}`,
  (path) => path.replace("/", "/%2e%2e/"),
  (path) => `${path}%00`,
  (path) => `${path}%`,
  (path) => `${path}%ff%c0%af`,
  (path) => `${path}?`,
  (path) => `${path}?a=1&a=2&__proto__=3`,
  (path) => `${path}?limit=-1&from=x&to=%00&cursor=%22%27&bucket=`,
  (path) => `${path}?from=9999-99-99T99:99:99Z`,
  (path) => `${path}?from=-271821-04-20T00:00:00.000Z&to=+275760-09-13T00:00:00.001Z`,
  (path) => `${path}?limit=1e3`,
  (path) => `${path}?limit=${"9".repeat(400)}`,
  (path) => `${path}?cursor=${"A".repeat(1000)}`,
  (path) => `${path}?group_by=key;drop`,
  (path) => `${path}#fragment`,
  (path) => `http://elsewhere.example${path}`,
  (path) => `${path}/${"a/".repeat(300)}`,
  (path) => `${path};a=b`,
  (path) => path.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`),
  (path) => `/v1/models/${encodeURIComponent(path)}`,
  (path) => `/v1${path}`,
]

const targetOf = (dice: Dice, path: string): string =>
  dice.chance(0.06) ? dice.pick(pathTricks)(path) : path

const bodyOf = (dice: Dice, { bodies }: Endpoint, { models }: FuzzOptions): Buffer | undefined => {
  if (bodies.length === 0) return dice.chance(0.05) ? Buffer.from("{}") : undefined
  const value = { model: dice.pick(models), ...dice.pick(bodies) }
  const text = Buffer.from(dice.chance(0.15) ? JSON.stringify(value) : mutatedJson(dice, value))
  return dice.chance(0.1) ? mutatedBytes(dice, text) : text
}

const contentTypes = [
  "application/json; charset=utf-8",
  "application/json;charset=utf8",
  'application/json; charset="UTF-8"',
  "application/json; charset=latin1",
  "application/json, text/plain",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "",
  ";",
  "application/json; ; ;",
]

const credentialsOf = (dice: Dice, token: string): ReadonlyArray<string> => {
  if (dice.chance(0.9)) return [dice.chance(0.5) ? `X-API-Key: ${token}` : `Authorization: Bearer ${token}`]
  return dice.pick([
    [],
    ["X-API-Key: "],
    ["X-API-Key: gwk_aaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbcccccc"],
    [`X-API-Key: ${"x".repeat(5000)}`],
    [`X-API-Key: ${token}`, "X-API-Key: other"],
    [`X-API-Key: ${token}`, "Authorization: Bearer other"],
    [`Authorization: bearer  ${token} `],
    ["Authorization: Bearer"],
    ["Authorization: Basic dXNlcjpwYXNz"],
    [`Authorization: Bearer ${token}, Bearer ${token}`],
    ["Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."],
    ["Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA"],
    [`X-API-Key: \u00e9${token}`],
  ])
}

const otherHeaders: ReadonlyArray<ReadonlyArray<string>> = [
  ["Content-Encoding: gzip"],
  ["Content-Encoding: identity"],
  ["Accept: text/html"],
  ["Accept-Encoding: gzip, br"],
  ["Expect: 100-continue"],
  ["Connection: close"],
  ["Connection: Upgrade", "Upgrade: h2c"],
  ["Connection: Upgrade", "Upgrade: websocket"],
  ["X-Request-Id: \u00ff' OR 1=1"],
  ["Traceparent: 00-00000000000000000000000000000000-0000000000000000-00"],
  ["Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
  ["B3: 0"],
  ["Anthropic-Version: 2023-06-01"],
  ["Anthropic-Version: 2026-10-21", "Anthropic-Beta: context-management-2025-06-27,x"],
  ["Anthropic-Version: 1"],
  ["Anthropic-Beta: \u00ff, ,"],
  ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "Forwarded: for=_x"],
  ["X-HTTP-Method-Override: DELETE"],
  ["Range: bytes=0-1"],
  ["If-None-Match: *"],
  ["Origin: http://elsewhere.example"],
  ["Cookie: a=b; __Host-a=b"],
  [`X-Long: ${"a".repeat(8000)}`],
  Array.from({ length: 60 }, (_, i) => `X-Many-${i}: ${i}`),
]

const idempotencyKeys = [
  "a",
  '"quoted"',
  "one two",
  "",
  "x".repeat(255),
  "x".repeat(256),
  '"',
  "\u00e9",
  "a,b",
]

const headersOf = (
  dice: Dice,
  endpoint: Endpoint,
  { adminToken, apiKey }: FuzzOptions,
): ReadonlyArray<string> => {
  const admin = /^\/(admin|analytics)/.test(endpoint.path)
  const headers = [...credentialsOf(dice, admin ? adminToken : apiKey)]
  if (endpoint.method === "POST") {
    const type = dice.chance(0.93) ? "application/json" : dice.pick(contentTypes)
    headers.push(`Content-Type: ${type}`)
    if (dice.chance(0.02)) headers.push(`Idempotency-Key: ${dice.pick(idempotencyKeys)}`)
    else if (dice.chance(0.005)) headers.push(`Idempotency-Key: ${dice.next()}`)
  }
  if (dice.chance(0.1)) headers.push(...dice.pick(otherHeaders))
  return headers
}

type Head = (...more: ReadonlyArray<string>) => string

const counted = (head: Head, body: Buffer | undefined): Buffer =>
  body === undefined
    ? Buffer.from(head(), "latin1")
    : Buffer.concat([Buffer.from(head(`Content-Length: ${body.length}`), "latin1"), body])

const chunked = (dice: Dice, head: Head, body: Uint8Array = Buffer.alloc(0)): Buffer => {
  const pieces: Array<Uint8Array> = [Buffer.from(head("Transfer-Encoding: chunked"), "latin1")]
  for (let at = 0; at < body.length; ) {
    const piece = body.subarray(at, at + 1 + dice.below(body.length))
    at += piece.length
    const extension = dice.chance(0.1) ? ";name=value" : ""
    pieces.push(Buffer.from(`${piece.length.toString(16)}${extension}\r\n`), piece, Buffer.from("\r\n"))
  }
  const trailer = dice.chance(0.1) ? "X-Trailer: 1\r\n" : ""
  return Buffer.concat([...pieces, Buffer.from(`0\r\n${trailer}\r\n`)])
}

const brokenFraming = (
  dice: Dice,
  head: Head,
  body: Uint8Array = Buffer.from("{}"),
  whole: Buffer,
): Buffer => {
  const { length } = body
  const framed = (...more: ReadonlyArray<string>) =>
    Buffer.concat([Buffer.from(head(...more), "latin1"), body])
  switch (dice.below(14)) {
    case 0:
      return framed(`Content-Length: ${length + 1 + dice.below(100)}`)
    case 1:
      return framed(`Content-Length: ${Math.max(0, length - 1 - dice.below(20))}`)
    case 2:
      return framed(`Content-Length: ${length}`, `Content-Length: ${length + 1}`)
    case 3:
      return framed(`Content-Length: ${length}`, "Transfer-Encoding: chunked")
    case 4:
      return framed(
        dice.pick(["Content-Length: -1", "Content-Length: 1e3", "Content-Length: 99999999999999999999"]),
      )
    case 5:
      return framed(dice.pick(["Transfer-Encoding: gzip", "Transfer-Encoding: chunked, identity"]))
    case 6:
      return Buffer.concat([framed("Transfer-Encoding: chunked"), Buffer.from("\r\nzz\r\n")])
    case 7:
      return framed(dice.pick(["X: a\0b", "X: a\rb", "X: a\nb", " X: a", "X : a", "X", ": a", "X\u00e9: a"]))
    case 8:
      return framed(`Content-Length: ${length}`, `X: ${"a".repeat(17_000)}`)
    case 9:
      return whole.subarray(0, dice.below(whole.length))
    case 10:
      return Buffer.from(whole.toString("latin1").replaceAll("\r\n", "\n"), "latin1")
    case 11:
      return Buffer.from(
        whole
          .toString("latin1")
          .replace("HTTP/1.1", dice.pick(["HTTP/1.0", "HTTP/2.0", "HTTP/9", "", "HTCPCP/1.0"])),
        "latin1",
      )
    case 12:
      return Buffer.from(Array.from({ length: 1 + dice.below(300) }, () => dice.below(256)))
    default:
      return mutatedBytes(dice, whole)
  }
}
