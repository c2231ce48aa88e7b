/** Errors of the story in the client's words. Pure; with `limit-failures.ts` the one place where inference's failures get codes. */

import { GatewayError } from "../domain/GatewayError.ts"
import { MAX_COOLDOWN_MS } from "../domain/OperatorRest.ts"
import {
  dispositions,
  isAboutRequest,
  openCooldownMs,
  type ProviderError,
  type ProviderErrorKind,
} from "../domain/ProviderError.ts"
import { blamedParam, type ExclusionRule, exclusionText } from "../routing/exclusion.ts"
import type { ModelNotAllowed, ModelNotFound, NoCandidate } from "../routing/plan.ts"

export const clientLeft = new GatewayError({ code: "client_closed_request", detail: "" })

export const aborted = new GatewayError({
  code: "request_aborted",
  detail: "The gateway gave this request up before its answer was complete. Send it again.",
})

export const defect = new GatewayError({
  code: "internal_error",
  detail: "An unexpected error happened; it was logged under this request_id.",
})

export const fromRouting = (error: ModelNotFound | ModelNotAllowed | NoCandidate): GatewayError => {
  switch (error._tag) {
    case "ModelNotFound":
      return new GatewayError({
        code: "model_not_found",
        param: "model",
        detail: "No route, provider/model or model has this name.",
      })
    case "ModelNotAllowed":
      return new GatewayError({
        code: "model_not_allowed",
        param: error.field ?? "model",
        detail:
          error.field === undefined
            ? "This API key's model list does not include the model."
            : `This API key is for some models only: it may not send ${error.field}, which may choose another. Leave it out.`,
      })
    case "NoCandidate":
      return noCandidateError(error)
  }
}

/**
 * Models that the key may not use anyway are none of the client's business here. Of the others, the one that came
 * closest to taking the request says what is wrong with it.
 */
const noCandidateError = ({ route, excluded }: NoCandidate): GatewayError => {
  const named = excluded.filter(({ rule }) => rule !== "not_allowed")
  const first = (rule: ExclusionRule["rule"]) => named.find((exclusion) => exclusion.rule === rule)
  const tooLong = first("context_window")
  const closest =
    tooLong ??
    first("max_output_tokens") ??
    first("parameter") ??
    first("unsupported") ??
    first("input") ??
    named[0]
  const param = closest && blamedParam(closest)
  const reasons = named
    .map((exclusion) => `${exclusion.provider}/${exclusion.model}: ${exclusionText(exclusion)}`)
    .join("; ")
  return new GatewayError({
    code: tooLong === undefined ? "invalid_request" : "context_length_exceeded",
    detail: `No model of ${route} can take this request. ${reasons}${closest?.rule === "parameter" ? `. Leave ${closest.param} out, or ask for another model.` : ""}`,
    ...(param === undefined ? {} : { param }),
  })
}

const timedOut = () =>
  new GatewayError({ code: "upstream_timeout", detail: "No provider answered in the time this request has." })

const clientDeadline = new GatewayError({
  code: "upstream_timeout",
  detail: "The time that the client gave the request was over before the answer was complete.",
})

/**
 * The client's view of a request that no provider answered. Its own mistakes come back as the provider put them;
 * our trouble with a provider (credentials, quota, outages) is never shown as the client's.
 */
export const fromProviders = (all: ReadonlyArray<ProviderError>): GatewayError => {
  // What was never sent explains a request only where nothing was.
  const failures = all.filter(({ refusal }) => refusal === undefined)
  const last = failures.at(-1)
  if (last === undefined) return soonest(all.flatMap(({ refusal }) => refusal ?? []))
  if (last.kind === "client_deadline") return clientDeadline
  const retryAfterMs = Math.min(
    // Whatever a provider says, by then it is asked again.
    MAX_COOLDOWN_MS,
    ...failures.map((failure) => failure.retryAfterMs ?? openCooldownMs(failure.kind)),
  )
  const refusal = refusalOf(failures, last)
  if (refusal !== undefined) return fromRefusal(refusal)
  const targets = new Set(failures.map((failure) => `${failure.provider}/${failure.model}`))
  const kinds = new Set(failures.map((failure) => failure.kind))
  if (targets.size > 1 && kinds.size > 1) {
    return new GatewayError({
      code: "no_provider_available",
      detail: "Every candidate for this request failed. Retry shortly.",
      retryAfterMs,
    })
  }
  return ourTrouble(last.kind, targets.size > 1, retryAfterMs)
}

/** Of budgets and limits of our own that kept the request from every model, returns the one that is over first. */
const soonest = (limited: ReadonlyArray<GatewayError>): GatewayError => {
  const [first = timedOut(), ...others] = limited
  const waitOf = ({ final, retryAfterMs = 0 }: GatewayError) =>
    final ? Number.POSITIVE_INFINITY : retryAfterMs
  return others.reduce((least, each) => (waitOf(each) < waitOf(least) ? each : least), first)
}

/** The end of a stream that had begun: whoever it was, the client has a part of an answer. */
export const fromBrokenStream = (failure: ProviderError): GatewayError => {
  const error = fromProviders([failure])
  if (isAboutRequest(failure.kind)) return error
  return new GatewayError({
    code: error.code,
    detail: "The stream broke before the answer was complete. Send the request again.",
  })
}

/**
 * Returns the failure that says what is wrong with the request: the last, where nobody would take it, and where every
 * candidate refused it the first, which was the preferred one's.
 */
const refusalOf = (
  failures: ReadonlyArray<ProviderError>,
  last: ProviderError,
): ProviderError | undefined => {
  if (isAboutRequest(last.kind) && dispositions[last.kind].blame === "candidate")
    return failures.every((failure) => isAboutRequest(failure.kind)) ? failures[0] : undefined
  return clientFaults[last.kind] === undefined ? undefined : last
}

const fromRefusal = ({
  code: upstreamCode,
  kind,
  message,
  ownParam,
  status,
  ...own
}: ProviderError): GatewayError => {
  const param = ownParam ?? own.param
  const code = clientFaults[kind] ?? (status === 413 ? "payload_too_large" : "invalid_request")
  return new GatewayError({
    code,
    detail: message ?? "The provider refused the request.",
    ...(param ? { param } : {}),
    // Ours says more where it is not the general one.
    ...(upstreamCode !== undefined && code === "invalid_request" ? { upstreamCode } : {}),
  })
}

const clientFaults: Partial<
  Record<ProviderErrorKind, "invalid_request" | "context_length_exceeded" | "content_filter">
> = {
  bad_request: "invalid_request",
  context_length_exceeded: "context_length_exceeded",
  content_filter: "content_filter",
}

const ourTrouble = (kind: ProviderErrorKind, several: boolean, retryAfterMs: number): GatewayError => {
  switch (kind) {
    case "rate_limited":
      return new GatewayError({
        code: "upstream_rate_limited",
        detail: "Every provider for this model limits the gateway's rate right now.",
        retryAfterMs,
      })
    case "quota_exhausted":
      return new GatewayError({
        code: "upstream_quota",
        detail: "The gateway's quota at the provider is used up. Its operator has to act.",
        retryAfterMs,
      })
    case "not_enabled":
      return new GatewayError({
        code: "upstream_auth",
        detail: "The gateway's account at the provider may not use the model. Its operator has to act.",
      })
    case "auth":
      return new GatewayError({
        code: "upstream_auth",
        detail: "The provider refused the gateway's own credentials. Its operator has to act.",
      })
    case "model_not_found":
      return new GatewayError({
        code: "upstream_error",
        detail: "The provider does not know a model that the gateway is configured with.",
      })
    case "timeout":
      return timedOut()
    case "client_too_slow":
      return new GatewayError({
        code: "client_too_slow",
        detail: "Answers were not read fast enough for this one to end in the time it has.",
      })
    case "overloaded":
    case "tier_unavailable":
      return new GatewayError({
        code: "upstream_overloaded",
        detail: "The provider is overloaded. Retry shortly.",
        retryAfterMs,
      })
    case "too_large":
      return new GatewayError({
        code: "upstream_bad_response",
        detail: "The answer is larger than the gateway reads (max_upstream_bytes). Ask for less at a time.",
      })
    case "bad_response":
      return new GatewayError({
        code: "upstream_bad_response",
        detail: "The provider's answer was incomplete or not understood.",
      })
    default:
      return several
        ? new GatewayError({
            code: "no_provider_available",
            detail: "Every candidate for this request failed. Retry shortly.",
            retryAfterMs,
          })
        : new GatewayError({ code: "upstream_error", detail: "The provider failed. Retry shortly." })
  }
}
