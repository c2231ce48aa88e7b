import { randomBytes } from "node:crypto"
import { Effect, Redacted } from "effect"
import { formatApiKey, generateApiKeySecret } from "../domain/ApiKeyFormat.ts"
import type { KeyId } from "../domain/Ids.ts"
import type { SecretHasher } from "./SecretHasher.ts"

/** Makes a secret for a key: the whole key, to be shown once, and what is stored of it. */
export const newSecret = (hasher: SecretHasher["Service"], id: KeyId) =>
  Effect.suspend(() => {
    const secret = generateApiKeySecret(randomBytes)
    return Effect.map(hasher.hash(secret), (hash) => ({
      secret: Redacted.make(formatApiKey({ id, secret })),
      hash,
    }))
  })
