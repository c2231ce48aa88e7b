import { Schema } from "effect"

/** UUIDv7 of one HTTP request that reached inference; time-ordered, primary key of its ledger row. */
export const RequestId = Schema.String.pipe(Schema.brand("RequestId"))
export type RequestId = typeof RequestId.Type

/** Public part of an API key: 12 base62 characters, safe to log and to show. */
export const KeyId = Schema.String.check(Schema.isPattern(/^[0-9A-Za-z]{12}$/)).pipe(Schema.brand("KeyId"))
export type KeyId = typeof KeyId.Type
