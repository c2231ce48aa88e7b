import { Context } from "effect"
import { RequestId } from "../domain/Ids.ts"

/** Id of the HTTP exchange being served, set by the server's outermost middleware. */
export const CurrentRequestId = Context.Reference<RequestId>("gateway/http/CurrentRequestId", {
  defaultValue: () => RequestId.make("00000000-0000-7000-8000-000000000000"),
})
