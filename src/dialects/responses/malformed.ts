import { GatewayError } from "../../domain/GatewayError.ts"

/** Makes the refusal of a field: `rule` is a sentence that tells what it has to be, or what to do instead. */
export const malformed = (param: string, rule: string): GatewayError =>
  new GatewayError({ code: "invalid_request", param, detail: `${param}: ${rule}` })
