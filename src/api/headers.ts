import { Schema } from "effect"
import { errorCatalogue } from "../domain/GatewayError.ts"

/** Makes one schema for each status: routes share it, so that the document has it once. */
export const perStatus = <S>(make: (status: number) => S): ((status: number) => S) => {
  const made = new Map<number, S>()
  return (status) => {
    const schema = made.get(status) ?? make(status)
    made.set(status, schema)
    return schema
  }
}

/** Describes the error codes of a status; a route answers some of them. */
export const codesOf = (status: number): string => {
  const codes = Object.entries(errorCatalogue)
    .filter(([, entry]) => entry.status === status)
    .map(([code]) => `\`${code}\``)
  return `Codes: ${codes.join(", ")}`
}

const requestId = Schema.String.annotate({ description: "Id of this exchange in the log and the ledger" })

type Header = Schema.String | Schema.optionalKey<Schema.String>

const sometimes = (description: string) => Schema.optionalKey(Schema.String.annotate({ description }))

/** Response headers of an error with this status. */
export const errorHeaders = (status: number): Readonly<Record<string, Header>> => ({
  "x-request-id": requestId,
  "x-should-retry": sometimes("`false` when repeating the same request cannot help"),
  ...([409, 429, 503].includes(status) && {
    "retry-after": sometimes("Whole seconds to wait before the next try"),
  }),
  ...(status === 401 && { "www-authenticate": Schema.String.annotate({ description: "`Bearer`" }) }),
})

/** Response headers of an answer that a provider, or the plan alone, has made. */
export const answerHeaders = {
  "x-request-id": requestId,
  "x-gateway-provider": sometimes("Name of the provider that answered"),
  "x-gateway-model": sometimes("The model, as its provider calls it"),
  "x-gateway-dropped": sometimes(
    "Places in the request for which the provider has no words, left out, as the client names them",
  ),
  "x-gateway-attempts": Schema.String.annotate({ description: "Upstream calls that were made" }),
  "x-gateway-cost": sometimes("USD in decimals, or `unknown`; absent on streams"),
  "x-gateway-budget-remaining": sometimes(
    "USD that are left of the request's tightest budget, where it has one",
  ),
  "server-timing": Schema.String.annotate({
    description: "`auth`, `route`, `upstream`, `gateway` in milliseconds",
  }),
  "idempotent-replayed": sometimes("`true` on the stored answer of an earlier request"),
}

/** Response headers of `POST /infer` about the key's rate limit, draft-ietf-httpapi-ratelimit-headers-11. */
export const rateLimitHeaders = {
  "ratelimit-policy": sometimes(
    '`"default";q=LIMIT;w=60` of requests, and `"tokens";…` where tokens have a limit',
  ),
  ratelimit: sometimes('`"default";r=REMAINING;t=SECONDS`, and `"tokens";…`'),
}

/** The same on OpenAI's routes. */
export const openAiRateLimitHeaders = {
  "x-ratelimit-limit-requests": sometimes("Requests per minute"),
  "x-ratelimit-remaining-requests": sometimes("Requests left now"),
  "x-ratelimit-reset-requests": sometimes("A duration as Go prints it, e.g. `1.5s`"),
  "x-ratelimit-limit-tokens": sometimes("Tokens per minute, where they have a limit"),
  "x-ratelimit-remaining-tokens": sometimes("Tokens left now"),
  "x-ratelimit-reset-tokens": sometimes("A duration as Go prints it"),
}

/** The same on Anthropic's routes, and the id of the exchange where their clients look for it. */
export const anthropicHeaders = {
  "request-id": requestId,
  "anthropic-ratelimit-requests-limit": sometimes("Requests per minute"),
  "anthropic-ratelimit-requests-remaining": sometimes("Requests left now"),
  "anthropic-ratelimit-requests-reset": sometimes("The instant at which none is missing, RFC 3339"),
  "anthropic-ratelimit-tokens-limit": sometimes(
    "Tokens per minute, input and output together, where they have a limit",
  ),
  "anthropic-ratelimit-tokens-remaining": sometimes("Tokens left now"),
  "anthropic-ratelimit-tokens-reset": sometimes("The instant at which none is missing, RFC 3339"),
}
