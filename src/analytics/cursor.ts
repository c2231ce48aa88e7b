import { type Option, Schema } from "effect"
import type { TimeRange } from "../domain/TimeRange.ts"

/**
 * Cursors: opaque places in a listing. One holds the span of the first page, so that a default of "now" does not
 * move between pages, and the sort key of the last row given. A cursor of another listing is not a cursor.
 */
export interface CursorCodec<Key> {
  readonly encode: (range: TimeRange, after: Key) => string
  readonly decode: (cursor: string) => Option.Option<TimeRange & { readonly after: Key }>
}

const cursor = <Key>(listing: string, after: Schema.Codec<Key>): CursorCodec<Key> => {
  const decode = Schema.decodeUnknownOption(
    Schema.fromJsonString(
      Schema.Struct({ listing: Schema.Literal(listing), fromMs: Instant, toMs: Instant, after }),
    ),
  )
  return {
    encode: ({ fromMs, toMs }, after) =>
      Buffer.from(JSON.stringify({ listing, fromMs, toMs, after })).toString("base64url"),
    decode: (cursor) => decode(Buffer.from(cursor, "base64url").toString()),
  }
}

/** Epoch milliseconds up to the end of the year 9999, where every whole day ends inside what the database holds. */
const Instant = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 253_402_300_800_000 }))

export const keyCursor = cursor("usage-by-key", Schema.Tuple([Schema.String]))
export const providerCursor = cursor("usage-by-provider", Schema.Tuple([Schema.String, Schema.String]))
export const timeCursor = cursor("timeseries", Schema.Tuple([Instant]))
export const requestCursor = cursor("requests", Schema.Tuple([Instant, Schema.String.check(Schema.isUUID())]))
export const calibrationCursor = cursor(
  "calibration",
  Schema.Tuple([Schema.String, Schema.String, Schema.Boolean]),
)
