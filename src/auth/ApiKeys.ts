import { Context, Data, type DateTime, type Effect, type Redacted } from "effect"
import type { KeyId } from "../domain/Ids.ts"

/** An API key as operators see it. The secret is shown once at creation and stored only as a bcrypt hash. */
export interface ApiKey {
  readonly id: KeyId
  readonly name: string
  readonly requestsPerMinute: number | null
  readonly models: ReadonlyArray<string> | null
  readonly createdAt: DateTime.Utc
  readonly expiresAt: DateTime.Utc | null
  readonly revokedAt: DateTime.Utc | null
  /** While a rotation's grace period runs: when the previous secret stops working. */
  readonly previousSecretUntil: DateTime.Utc | null
}

export interface IssuedKey {
  readonly key: ApiKey
  /** The whole key, shown once. */
  readonly secret: Redacted.Redacted
}

export class ApiKeyNotFound extends Data.TaggedError("ApiKeyNotFound")<{ readonly id: string }> {}
export class ApiKeyRevoked extends Data.TaggedError("ApiKeyRevoked")<{ readonly id: string }> {}
/** The database did not answer. */
export class ApiKeysUnavailable extends Data.TaggedError("ApiKeysUnavailable")<{ readonly cause: unknown }> {}

/** Operators' view of API keys: the CLI and `/admin/keys` are thin over this. Owns the table `api_keys`. */
export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    readonly create: (options: {
      readonly name: string
      readonly requestsPerMinute?: number
      readonly models?: ReadonlyArray<string>
      readonly expiresAt?: DateTime.Utc
    }) => Effect.Effect<IssuedKey, ApiKeysUnavailable>
    /** Newest first; `cursor` is the last id of the previous page. */
    readonly list: (options: {
      readonly limit: number
      readonly cursor?: string
    }) => Effect.Effect<
      { readonly keys: ReadonlyArray<ApiKey>; readonly nextCursor: string | null },
      ApiKeysUnavailable
    >
    readonly show: (id: string) => Effect.Effect<ApiKey, ApiKeyNotFound | ApiKeysUnavailable>
    /** New secret under the same id; the old one works until the grace period ends. */
    readonly rotate: (
      id: string,
      options: { readonly graceMs: number },
    ) => Effect.Effect<IssuedKey, ApiKeyNotFound | ApiKeyRevoked | ApiKeysUnavailable>
    /** Final and idempotent. Every replica refuses the key within a second. */
    readonly revoke: (id: string) => Effect.Effect<ApiKey, ApiKeyNotFound | ApiKeysUnavailable>
  }
>()("gateway/auth/ApiKeys") {}
