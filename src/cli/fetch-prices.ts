import { Effect, FileSystem, Schema, Stream } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { oneLine } from "../domain/one-line.ts"
import { CommandFailed } from "./CommandFailed.ts"

/** Reads a list of prices, from a file or an address, and no more of it than a list may have. */

const MAX_BYTES = 16 * 1024 * 1024
const TIMEOUT = "30 seconds"

const tooLarge = (what: string) =>
  new CommandFailed({
    message: `${oneLine(what)} has more than ${MAX_BYTES} bytes: it is no list of prices.`,
  })

const parse = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

interface PriceData {
  readonly bytes: Uint8Array
  readonly data: unknown
}

const readJson = (what: string, bytes: Uint8Array): Effect.Effect<PriceData, CommandFailed> =>
  parse(new TextDecoder().decode(bytes)).pipe(
    Effect.mapBoth({
      onSuccess: (data) => ({ bytes, data }),
      onFailure: () => new CommandFailed({ message: `${oneLine(what)} is not valid JSON.` }),
    }),
  )

export const readPriceFile = Effect.fn("PriceData.read")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const unreadable = () => new CommandFailed({ message: `${oneLine(file)} cannot be read.` })
  const { size } = yield* Effect.mapError(fs.stat(file), unreadable)
  if (Number(size) > MAX_BYTES) return yield* tooLarge(file)
  return yield* readJson(file, yield* Effect.mapError(fs.readFile(file), unreadable))
})

/** Tells addresses whose answer nobody on the way can change: by TLS, or on this machine. */
const isSafe = (url: URL | null): boolean =>
  url !== null &&
  (url.protocol === "https:" ||
    (url.protocol === "http:" && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname)))

export const fetchPrices = Effect.fn("PriceData.fetch")(
  function* (address: string) {
    if (!isSafe(URL.parse(address))) {
      return yield* new CommandFailed({
        message: "--url must be an https:// address, or http:// on this machine.",
      })
    }
    const response = yield* HttpClient.get(address)
    if (response.status >= 300 && response.status < 400) {
      return yield* new CommandFailed({
        message: `${oneLine(address)} sends elsewhere, which is not followed: give the address where the list is.`,
      })
    }
    if (response.status !== 200) {
      return yield* new CommandFailed({ message: `${oneLine(address)} answered with ${response.status}.` })
    }
    const chunks: Array<Uint8Array> = []
    let size = 0
    yield* Stream.runForEach(response.stream, (chunk) =>
      Effect.suspend(() => {
        size += chunk.length
        chunks.push(chunk)
        return size > MAX_BYTES ? Effect.fail(tooLarge(address)) : Effect.void
      }),
    )
    return yield* readJson(address, Buffer.concat(chunks))
  },
  (effect, address) =>
    effect.pipe(
      Effect.timeout(TIMEOUT),
      Effect.catchTag(["HttpClientError", "TimeoutError"], () =>
        Effect.fail(
          new CommandFailed({
            message:
              `${oneLine(address)} did not answer, or not to its end within ${TIMEOUT}. ` +
              "Fetch it in another way, and pass it with --file.",
          }),
        ),
      ),
      Effect.provide(FetchHttpClient.layer),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    ),
)
