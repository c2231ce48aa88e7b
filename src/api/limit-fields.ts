import { Schema } from "effect"
import {
  MAX_CONCURRENCY,
  MAX_REQUESTS_PER_MINUTE,
  MAX_TAG_LENGTH,
  MAX_TAGS,
  MAX_TOKENS_PER_MINUTE,
  TEAM_NAME,
} from "../domain/bounds.ts"
import { isTag, TAG_RULE } from "../domain/tag.ts"

/** Fields of keys and teams, as the admin routes and the flags of the command line take them. */

const between = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum }))

export const RequestsPerMinute = between(MAX_REQUESTS_PER_MINUTE)
export const TokensPerMinute = between(MAX_TOKENS_PER_MINUTE)
export const Concurrency = between(MAX_CONCURRENCY)

export const TeamName = Schema.String.check(
  Schema.isPattern(TEAM_NAME, {
    message: "Expected 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first",
  }),
)

const Tag = Schema.String.check(
  Schema.makeFilter(isTag, {
    message: `Expected ${TAG_RULE}`,
    toJsonSchema: () => ({ minLength: 1, maxLength: MAX_TAG_LENGTH }),
  }),
)

export const Tags = Schema.Array(Tag).check(Schema.isMaxLength(MAX_TAGS))

/** Names on the wire. */
export const limitNames = { requestsPerMinute: "rpm", tokensPerMinute: "tpm" } as const

/** What is said of a limit in an answer. */
export const shownLimits = {
  requestsPerMinute: Schema.NullOr(Schema.Int).annotate({ description: "Requests per minute" }),
  tokensPerMinute: Schema.NullOr(Schema.Int).annotate({
    description: "Tokens per minute, input and output together; null for no limit",
  }),
  concurrency: Schema.NullOr(Schema.Int).annotate({
    description: "Requests in flight; null for no limit",
  }),
}
