import type { ResponseError } from "openai/resources/responses/responses"
import { type JsonObject, objectAt } from "../../../platform/json.ts"
import { classifyInBand, inBandFault } from "../openai-chat/errors.ts"
import type { Fault } from "../Protocol.ts"

/** Returns the failure that an event tells of; undefined for none. */
export const eventFault = (event: JsonObject): Fault | undefined => {
  if (event.type === "response.failed") return responseFault(objectAt(event, "response") ?? {})
  return event.type === "error" ? failure(objectAt(event, "error") ?? event) : inBandFault(event, [])
}

/** Returns the failure that a response is in place of an answer; undefined for none. */
export const responseFault = (response: JsonObject): Fault | undefined =>
  response.status === "failed" || response.status === "cancelled"
    ? failure(objectAt(response, "error") ?? { code: response.status })
    : inBandFault(response, [])

const failure = (error: JsonObject): Fault =>
  classifyInBand({ error: { ...error, type: errorTypes.get(error.code) ?? error.type } })

/**
 * The type that each code has in an error with a status, and lacks inside of a 200. With a new code in OpenAI's own package, this
 * does not compile.
 */
const errorTypes: ReadonlyMap<unknown, string> = new Map(
  Object.entries({
    server_error: "server_error",
    vector_store_timeout: "server_error",
    rate_limit_exceeded: "rate_limit_error",
    // By a status, OpenRouter says so of whatever is wrong with a request.
    invalid_prompt: "content_filter_error",
    bio_policy: "invalid_request_error",
    misalignment_policy_violation: "invalid_request_error",
    data_residency_mismatch: "invalid_request_error",
    invalid_image: "invalid_request_error",
    invalid_image_format: "invalid_request_error",
    invalid_base64_image: "invalid_request_error",
    invalid_image_url: "invalid_request_error",
    image_too_large: "invalid_request_error",
    image_too_small: "invalid_request_error",
    image_parse_error: "invalid_request_error",
    image_content_policy_violation: "invalid_request_error",
    invalid_image_mode: "invalid_request_error",
    image_file_too_large: "invalid_request_error",
    unsupported_image_media_type: "invalid_request_error",
    empty_image_file: "invalid_request_error",
    failed_to_download_image: "invalid_request_error",
    image_file_not_found: "invalid_request_error",
  } satisfies Readonly<Record<ResponseError["code"], string>>),
)
