import { type Option, Schema } from "effect"
import type { TimeRange } from "../domain/TimeRange.ts"
import type { UsageGrouping } from "./query.ts"

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

/** Values of so many columns. */
const values = (count: number) =>
  Schema.Array(Schema.String).check(Schema.isMinLength(count), Schema.isMaxLength(count))
const One = values(1)
const Two = values(2)

export const keyCursor = cursor("usage-by-key", One)
export const providerCursor = cursor("usage-by-provider", Two)
/** Of usage by each of its groupings, by the columns that tell its rows apart. */
export const usageCursors: Readonly<Record<UsageGrouping, CursorCodec<ReadonlyArray<string>>>> = {
  key: cursor("usage by key", One),
  team: cursor("usage by team", One),
  user: cursor("usage by user", One),
  tag: cursor("usage by tag", One),
  provider: cursor("usage by provider", One),
  model: cursor("usage by model", Two),
  endpoint: cursor("usage by endpoint", One),
}
export const timeCursor = cursor("timeseries", Schema.Tuple([Instant]))
export const requestCursor = cursor("requests", Schema.Tuple([Instant, Schema.String.check(Schema.isUUID())]))
export const calibrationCursor = cursor(
  "calibration",
  Schema.Tuple([Schema.String, Schema.String, Schema.Boolean]),
)
