/** Answers that are the same for everybody: made once, compressed once, and written from one copy. */
import { createHash } from "node:crypto"
import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"
import { HttpServerResponse } from "effect/http"

const brotliBytes = promisify(brotliCompress)
const gzipBytes = promisify(gzip)

/** Of 11, which takes ten times as long for a twentieth less. */
const BROTLI_QUALITY = 9
const GZIP_LEVEL = 9

/** Content codings, the best first. */
const CODINGS = ["br", "gzip"] as const
type Coding = (typeof CODINGS)[number] | "identity"

export interface FixedAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly bodies: Readonly<Record<Coding, { readonly bytes: Uint8Array; readonly etag: string }>>
}

/** `Cache-Control` of what is never anything else under the same name. */
export const FOREVER = "public, max-age=31536000, immutable"

/** Compresses off the event loop. `headers` has the content type. */
export const makeFixedAnswer = async (
  text: string,
  headers: Readonly<Record<string, string>>,
): Promise<FixedAnswer> => {
  const identity = Buffer.from(text)
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: identity.length,
  }
  const [br, gzip] = await Promise.all([
    brotliBytes(identity, { params }),
    gzipBytes(identity, { level: GZIP_LEVEL }),
  ])
  const hash = createHash("sha256").update(identity).digest("base64url").slice(0, 22)
  return {
    headers: { "cache-control": "public, max-age=300", ...headers, vary: "Accept-Encoding" },
    bodies: {
      identity: { bytes: identity, etag: `"${hash}"` },
      br: { bytes: br, etag: `"${hash}-br"` },
      gzip: { bytes: gzip, etag: `"${hash}-gzip"` },
    },
  }
}

/** Chooses by Accept-Encoding (RFC 9110, 12.5.3); without it nothing is compressed. */
export const codingFor = (acceptEncoding = ""): Coding => {
  const weights = new Map(
    acceptEncoding
      .toLowerCase()
      .split(",")
      .map((entry) => {
        const [coding = "", ...parameters] = entry.split(";").map((part) => part.trim())
        const weight = parameters.find((parameter) => parameter.startsWith("q="))
        return [coding, weight === undefined ? 1 : Number(weight.slice(2))] as const
      }),
  )
  const weightOf = (coding: Coding) => weights.get(coding) ?? weights.get("*") ?? 0
  const [best = "br"] = CODINGS.toSorted((a, b) => weightOf(b) - weightOf(a))
  return weightOf(best) > 0 && weightOf(best) >= (weights.get("identity") ?? 0) ? best : "identity"
}

/** Whether the client has these bytes already (RFC 9110, 13.1.2). */
const isKnown = (ifNoneMatch = "", etag: string): boolean =>
  ifNoneMatch.split(",").some((tag) => ["*", etag, `W/${etag}`].includes(tag.trim()))

/** Answers one request with `headers` of its own, without copying a body. */
export const answerFixed = (
  { headers, bodies }: FixedAnswer,
  asked: Readonly<Record<string, string | undefined>>,
  ownHeaders: Readonly<Record<string, string>>,
): HttpServerResponse.HttpServerResponse => {
  const coding = codingFor(asked["accept-encoding"])
  const { bytes, etag } = bodies[coding]
  const common = { ...ownHeaders, ...headers, etag }
  if (isKnown(asked["if-none-match"], etag)) return HttpServerResponse.empty({ status: 304, headers: common })
  return HttpServerResponse.uint8Array(bytes, {
    headers: coding === "identity" ? common : { ...common, "content-encoding": coding },
    contentType: headers["content-type"] ?? "application/octet-stream",
  })
}
