import { ReplayableBody } from "./ReplayableBody.ts"

/** A whole response, kept and replayed byte for byte. Header names are lower-case. */
export interface StoredResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** A response as clients get it: whole, as text or bytes, or still being written. */
export interface GatewayResponse extends Omit<StoredResponse, "body"> {
  readonly body: string | Uint8Array | ReplayableBody
}

export const isBroken = ({ body }: GatewayResponse): boolean => body instanceof ReplayableBody && body.broken

/** Lets a stream's end out, which waits for its claim: a repetition of a whole answer is a replay. */
export const deliver = ({ body }: GatewayResponse): void => {
  if (body instanceof ReplayableBody) body.deliver()
}

/** Ends a stream as one that broke, whose end is not out yet: another answer is kept. */
export const withdraw = ({ body }: GatewayResponse): void => {
  if (body instanceof ReplayableBody) body.withdraw()
}

export const forget = ({ body }: GatewayResponse): void => {
  if (body instanceof ReplayableBody) body.release()
}

export const canBeJoined = ({ body }: GatewayResponse): boolean =>
  !(body instanceof ReplayableBody) || body.replayable

/** Returns the body to keep; undefined when it was too long for its buffer, as the claim will say. */
export const storable = ({ body }: GatewayResponse): Uint8Array | undefined => {
  if (body instanceof ReplayableBody) return body.bytes()
  return typeof body === "string" ? Buffer.from(body) : body
}
