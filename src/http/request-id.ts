import { randomUUIDv7 } from "node:crypto"
import type { HttpServerRequest } from "effect/http"
import { RequestId } from "../domain/Ids.ts"

const ID = Symbol("gateway/http/request-id")

interface Identified {
  [ID]?: RequestId
}

const text = Buffer.allocUnsafe(36)

/** A text of its own: as the library puts it together, out of twenty pieces, it has all who write it take their slow ways. */
export const newRequestId = (): RequestId => {
  text.write(randomUUIDv7(), "latin1")
  return RequestId.make(text.toString("latin1"))
}

/**
 * Returns the id of one HTTP exchange: the same in its answer, its ledger row and the log, whoever asks first. Kept on
 * Node's message rather than in the fiber's context, which is copied for every value put into it.
 */
export const requestIdOf = ({ source }: HttpServerRequest.HttpServerRequest): RequestId => {
  const message: Identified = source
  message[ID] ??= newRequestId()
  return message[ID]
}
