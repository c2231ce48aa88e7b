import { Context, Effect, Layer } from "effect"
import { LinkedSet } from "../platform/LinkedSet.ts"

/** One request body on its way in. */
export interface Upload {
  /** Of `performance.now()`. */
  readonly startedAt: number
  /** Bytes so far. */
  bytes: number
  readonly giveUp: () => void
}

/** Bytes that a body must bring each second, on average, after its first ones. */
const BYTES_PER_SECOND = 16 * 1024

/** Milliseconds in which a body need not bring anything. A reference, so that a test need not wait. */
export const UploadGraceMs = Context.Reference<number>("gateway/http/UploadGraceMs", {
  defaultValue: () => 10_000,
})

const CHECK_EVERY = "1 second"

/** Returns how long a body of so many bytes may take at most. */
export const longestUploadMs = (bytes: number, graceMs: number): number =>
  graceMs + Math.ceil((bytes / BYTES_PER_SECOND) * 1000)

/** Gives up bodies that arrive too slowly: each holds a place among the requests. */
export class Uploads extends Context.Service<Uploads, LinkedSet<Upload>>()("gateway/http/Uploads") {
  static readonly layer = Layer.effect(
    Uploads,
    Effect.gen(function* () {
      const uploads = new LinkedSet<Upload>()
      const graceMs = yield* UploadGraceMs
      yield* Effect.sleep(CHECK_EVERY).pipe(
        Effect.andThen(
          Effect.sync(() => {
            const now = performance.now()
            uploads.forEach(({ bytes, giveUp, startedAt }) => {
              if (now - startedAt > longestUploadMs(bytes, graceMs)) giveUp()
            })
          }),
        ),
        Effect.forever,
        Effect.forkScoped,
      )
      return uploads
    }),
  )
}
