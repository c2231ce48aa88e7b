/** Errors of the rooms around inference in the client's words. Pure. */
import type { AuthError } from "../auth/AuthError.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import type { IdempotencyError } from "../idempotency/claimed-run.ts"
import type { NotAdmitted } from "../limits/Admission.ts"

export const fromAuth = (error: AuthError): GatewayError => {
  switch (error.reason) {
    case "missing":
      return new GatewayError({
        code: "invalid_api_key",
        detail: "Send an API key in X-API-Key or Authorization: Bearer.",
      })
    case "invalid":
      return new GatewayError({
        code: "invalid_api_key",
        detail: "The API key is unknown, revoked, expired or mistyped.",
      })
    case "unavailable":
      return new GatewayError({
        code: "auth_unavailable",
        detail: "The key could not be checked; this says nothing about the key. Retry shortly.",
        retryAfterMs: error.retryAfterMs ?? 1000,
      })
    case "overloaded":
      return new GatewayError({
        code: "overloaded",
        detail:
          "As many API keys are being checked as the gateway can; this says nothing about the key. Retry shortly.",
        retryAfterMs: error.retryAfterMs ?? 1000,
      })
  }
}

/** To an operator: keys are looked up, not checked. */
export const keysUnavailable = new GatewayError({
  code: "database_unavailable",
  detail: "API keys cannot be read. Retry shortly.",
})

const overloaded = (detail: string, retryAfterMs = 1000): GatewayError =>
  new GatewayError({ code: "overloaded", detail, retryAfterMs })

export const fromAdmission = ({ reason, retryAfterMs }: NotAdmitted): GatewayError => {
  switch (reason) {
    case "key_in_flight":
      return new GatewayError({
        code: "concurrency_limited",
        detail: "This key has its share of the requests that run at once. Retry when some have ended.",
        retryAfterMs,
      })
    case "key_body_bytes":
      return new GatewayError({
        code: "concurrency_limited",
        detail: "This key's requests in flight have its share of the memory for bodies. Send fewer at once.",
        retryAfterMs,
      })
    case "in_flight":
    case "event_loop_delay":
    case "body_bytes":
      return overloaded("The gateway handles as many requests as it can. Retry shortly.", retryAfterMs)
  }
}

export const fromIdempotency = (error: IdempotencyError): GatewayError => {
  switch (error.reason) {
    case "reused":
      return new GatewayError({
        code: "idempotency_key_reused",
        detail: "This Idempotency-Key was sent with a different request. Use a new key for a new request.",
      })
    case "in_progress":
      return new GatewayError({
        code: "idempotency_in_progress",
        detail: "The first request with this Idempotency-Key is still running. Retry to get its answer.",
        retryAfterMs: error.retryAfterMs ?? 1000,
      })
    case "not_stored":
      return new GatewayError({
        code: "idempotency_answer_not_stored",
        detail:
          "The request ran once; its answer was too large to keep for replay. Use a new key to run it again.",
      })
    case "overloaded":
      return overloaded(
        "As many requests with an Idempotency-Key run as the gateway allows. Retry shortly.",
        error.retryAfterMs,
      )
    case "key_overloaded":
      return overloaded(
        "As many requests with an Idempotency-Key run for this API key as its share of the gateway allows; requests " +
          "whose clients left run on. Retry shortly.",
        error.retryAfterMs,
      )
    case "unread":
      return overloaded(
        "The kept answer is large, and there is no room for it before other large answers have been read. Read those " +
          "of this API key, and retry shortly.",
        error.retryAfterMs,
      )
    case "unavailable":
      return new GatewayError({
        code: "idempotency_unavailable",
        detail: "The database is not available, so one execution cannot be promised. Retry, or send no key.",
        retryAfterMs: error.retryAfterMs ?? 1000,
      })
  }
}
