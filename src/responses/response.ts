import { ReplayableBody } from "./ReplayableBody.ts"

/** What is kept and replayed byte for byte. Header names are lower-case. */
export interface StoredResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What callers get: whole, or still being written. */
export interface IdempotentResponse extends Omit<StoredResponse, "body"> {
  readonly body: Uint8Array | ReplayableBody
}

export const isBroken = ({ body }: IdempotentResponse): boolean =>
  body instanceof ReplayableBody && body.broken

/** The end of a stream waits for its claim: a repetition of a whole answer is a replay. */
export const deliver = ({ body }: IdempotentResponse): void => {
  if (body instanceof ReplayableBody) body.deliver()
}

export const forget = ({ body }: IdempotentResponse): void => {
  if (body instanceof ReplayableBody) body.release()
}

export const canBeJoined = ({ body }: IdempotentResponse): boolean =>
  !(body instanceof ReplayableBody) || body.replayable

/** Undefined: too long for its buffer, as the claim will say. */
export const storable = ({ body }: IdempotentResponse): Uint8Array | undefined =>
  body instanceof ReplayableBody ? body.bytes() : body
