import type { KeyId } from "../domain/Ids.ts"

/** The owner of a verified API key, and what it may do. */
export interface Principal {
  readonly keyId: KeyId
  readonly name: string
  /** Requests per minute; undefined = the gateway's default. */
  readonly requestsPerMinute?: number
  /** `provider/model`, model or route names this key may ask for; undefined = all. */
  readonly models?: ReadonlySet<string>
}
