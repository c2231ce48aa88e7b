/** API keys by the hundred: one secret and so one bcrypt hash for all, each key with an id of its own. */
import { randomBytes } from "node:crypto"
import bcrypt from "bcrypt"
import { formatApiKey, generateApiKeyId, generateApiKeySecret } from "../../src/domain/ApiKeyFormat.ts"
import { onDatabase } from "../database.ts"
import type { Address } from "../requests.ts"

const COST = 10
const secret = generateApiKeySecret(randomBytes)
const secretHash = await bcrypt.hash(secret, COST)

/** Adds so many keys to the table and returns them. The gateway has seen none of them yet. */
export const insertKeys = async (
  databaseUrl: string,
  count: number,
  requestsPerMinute: number,
): Promise<ReadonlyArray<string>> => {
  const ids = Array.from({ length: count }, () => generateApiKeyId(randomBytes))
  await onDatabase(
    databaseUrl,
    (sql) => sql`
      INSERT INTO api_keys (id, name, secret_hash, requests_per_minute)
      SELECT id, 'attack', ${secretHash}, ${requestsPerMinute}::integer FROM unnest(${ids}::text[]) AS id`,
  )
  return ids.map((id) => formatApiKey({ id, secret }))
}

/** Makes a key as a stranger can: well-formed, with its checksum, and of nobody. */
export const unknownKey = (): string =>
  formatApiKey({ id: generateApiKeyId(randomBytes), secret: generateApiKeySecret(randomBytes) })

export const idOf = (key: string): string => key.split("_")[1] ?? ""

/** The address of chat completions for the owner of a key. */
export const chatAs = (key: string, headers: Address["headers"] = {}): Address => ({
  path: "/v1/chat/completions",
  headers: { "x-api-key": key, ...headers },
})
