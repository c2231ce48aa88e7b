import { randomUUIDv7 } from "node:crypto"
import type { HttpServerRequest } from "effect/http"
import { RequestId } from "../domain/Ids.ts"

const ids = new WeakMap<object, RequestId>()

/**
 * Id of one HTTP exchange: the same in its answer, its ledger row and the log, whoever asks first. Kept beside the
 * request rather than in the fiber's context, which is copied for every value put into it.
 */
export const requestIdOf = ({ source }: HttpServerRequest.HttpServerRequest): RequestId => {
  const known = ids.get(source)
  if (known !== undefined) return known
  const id = RequestId.make(randomUUIDv7())
  ids.set(source, id)
  return id
}
