import { Data } from "effect"

/**
 * Every error code a client can see, with its HTTP status. Public contract: codes are added, never renamed;
 * `docs/errors.md` has a row for each and a test compares the two.
 *
 * `final: true` tells clients that repeating the same request cannot help (`x-should-retry: false`).
 */
export const errorCatalogue = {
  invalid_json: { status: 400, final: true, title: "The body is not valid JSON" },
  invalid_request: { status: 400, final: true, title: "The request is not valid" },
  conflicting_credentials: { status: 400, final: true, title: "More than one credential was sent" },
  invalid_idempotency_key: { status: 400, final: true, title: "The Idempotency-Key is not valid" },
  context_length_exceeded: { status: 400, final: true, title: "The request is too long for the model" },
  exceeds_token_limit: {
    status: 400,
    final: true,
    title: "The request may have more tokens than its limit of a whole minute",
  },
  content_filter: { status: 400, final: true, title: "The provider's content policy refused the request" },
  previous_response_not_found: { status: 400, final: true, title: "The response to go on from is not here" },
  websocket_connection_limit_reached: {
    status: 400,
    final: false,
    title: "The WebSocket has been open for as long as one may be",
  },
  invalid_api_key: { status: 401, final: true, title: "The API key is not valid" },
  invalid_admin_token: { status: 401, final: true, title: "The admin token is not valid" },
  model_not_allowed: { status: 403, final: true, title: "This API key may not use the model" },
  admin_role_required: { status: 403, final: true, title: "This admin token may only read" },
  csrf_token_required: { status: 403, final: true, title: "The request does not come from the page" },
  key_may_not_issue: { status: 403, final: true, title: "This API key may not issue keys" },
  not_found: { status: 404, final: true, title: "Nothing is here" },
  model_not_found: { status: 404, final: true, title: "No provider serves the model" },
  provider_not_found: { status: 404, final: true, title: "There is no such provider" },
  key_not_found: { status: 404, final: true, title: "There is no such API key" },
  team_not_found: { status: 404, final: true, title: "There is no such team" },
  budget_not_found: { status: 404, final: true, title: "There is no such budget" },
  ui_file_not_found: { status: 404, final: true, title: "The page has no such file" },
  request_not_found: { status: 404, final: true, title: "There is no such request in the ledger" },
  method_not_allowed: { status: 405, final: true, title: "The method is not allowed here" },
  upload_too_slow: { status: 408, final: false, title: "The body arrived too slowly" },
  client_too_slow: { status: 408, final: false, title: "Answers were not taken in time" },
  idempotency_in_progress: {
    status: 409,
    final: false,
    title: "A request is outstanding for this Idempotency-Key",
  },
  idempotency_answer_not_stored: { status: 409, final: true, title: "The answer was not kept for replay" },
  key_revoked: { status: 409, final: true, title: "The API key is revoked" },
  team_exists: { status: 409, final: true, title: "There is a team with this name" },
  team_in_use: { status: 409, final: true, title: "Something belongs to the team" },
  payload_too_large: { status: 413, final: true, title: "The body is too large" },
  unsupported_media_type: { status: 415, final: true, title: "The content type is not supported" },
  idempotency_key_reused: { status: 422, final: true, title: "Idempotency-Key is already used" },
  config_refused: {
    status: 422,
    final: true,
    title: "The configuration has a fault; the former one goes on",
  },
  rate_limited: { status: 429, final: false, title: "Too many requests" },
  token_limited: { status: 429, final: false, title: "Too many tokens" },
  too_many_child_keys: { status: 429, final: false, title: "Too many keys of this API key are alive" },
  concurrency_limited: { status: 429, final: false, title: "Too many requests at the same time" },
  budget_exceeded: { status: 429, final: true, title: "A budget is used up" },
  upstream_rate_limited: { status: 429, final: false, title: "Every provider limits the gateway's rate" },
  client_closed_request: { status: 499, final: false, title: "The client left before the answer" },
  gateway_crashed: { status: 500, final: false, title: "The gateway died while the request ran" },
  internal_error: { status: 500, final: false, title: "The gateway failed" },
  upstream_error: { status: 502, final: false, title: "The provider failed" },
  upstream_auth: { status: 502, final: true, title: "The provider refused the gateway's own credentials" },
  upstream_bad_response: { status: 502, final: false, title: "The provider's answer could not be used" },
  auth_unavailable: { status: 503, final: false, title: "API keys cannot be checked right now" },
  budget_unavailable: { status: 503, final: false, title: "Budgets cannot be checked right now" },
  database_unavailable: { status: 503, final: false, title: "The database is not available" },
  idempotency_unavailable: { status: 503, final: false, title: "Idempotency cannot be guaranteed right now" },
  overloaded: { status: 503, final: false, title: "The gateway is at its limit" },
  request_aborted: { status: 503, final: false, title: "The gateway gave the request up" },
  no_provider_available: { status: 503, final: false, title: "No provider could answer" },
  upstream_overloaded: { status: 503, final: false, title: "The provider is overloaded" },
  upstream_quota: { status: 503, final: true, title: "The gateway's quota at the provider is used up" },
  upstream_timeout: { status: 504, final: false, title: "The provider did not answer in time" },
} as const satisfies Record<
  string,
  { readonly status: number; readonly final: boolean; readonly title: string }
>

type ErrorCode = keyof typeof errorCatalogue

/** An error as a client will see it, before it is put on the wire. */
export class GatewayError extends Data.TaggedError("GatewayError")<{
  readonly code: ErrorCode
  /** One sentence for a person: what happened and what to do next. Holds no secret and no upstream text of ours. */
  readonly detail: string
  /** The field the error is about, when there is one. */
  readonly param?: string
  /** The vendor's own code, when that says what is wrong with the request. */
  readonly upstreamCode?: string
  readonly retryAfterMs?: number
}> {
  get status(): number {
    return errorCatalogue[this.code].status
  }
  get final(): boolean {
    return errorCatalogue[this.code].final
  }
}
