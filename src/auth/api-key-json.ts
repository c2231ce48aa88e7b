import { DateTime, Redacted } from "effect"
import type { ApiKey, IssuedKey } from "./ApiKeys.ts"

const iso = (instant: DateTime.Utc | null) => (instant === null ? null : DateTime.formatIso(instant))

/** An API key as the admin routes and `--json` print it. */
export const apiKeyJson = (key: ApiKey) => ({
  id: key.id,
  name: key.name,
  rpm: key.requestsPerMinute,
  models: key.models,
  created_at: iso(key.createdAt),
  expires_at: iso(key.expiresAt),
  revoked_at: iso(key.revokedAt),
  previous_secret_until: iso(key.previousSecretUntil),
})

/** The same with the whole key: the one place where it leaves the process. */
export const issuedKeyJson = ({ key, secret }: IssuedKey) => ({
  ...apiKeyJson(key),
  key: Redacted.value(secret),
})
