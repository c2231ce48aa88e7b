import { Duration, Effect, Layer, Redacted } from "effect"
import { AdminTokens, type Operator } from "../../src/auth/AdminTokens.ts"
import { Settings } from "../../src/config/Settings.ts"
import { eventually } from "./process-watch.ts"

export const ADMIN_JWT_SECRET = "a-secret-of-tests-that-everybody-knows"

/** Talks to a gateway over HTTP, wherever that runs. */
export class GatewayClient {
  readonly url: string
  readonly adminToken: string

  constructor(url: string, adminToken: string) {
    this.url = url
    this.adminToken = adminToken
  }

  admin(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.adminToken}`, "content-type": "application/json" },
    })
  }

  /** A new API key, ready for `infer`. */
  async createKey(options: Record<string, unknown> = {}): Promise<{ id: string; key: string }> {
    const response = await this.admin("/admin/keys", {
      method: "POST",
      body: JSON.stringify({ name: "test", ...options }),
    })
    if (response.status !== 200) throw new Error(`no key: ${response.status} ${await response.text()}`)
    return (await response.json()) as { id: string; key: string }
  }

  infer(
    key: string,
    body: unknown,
    options: { headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Response> {
    return fetch(`${this.url}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key, ...options.headers },
      body: JSON.stringify(body),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
  }

  /** Single requests of the ledger, newest first, once `count` of them are there. */
  async ledger(count: number): Promise<ReadonlyArray<Record<string, unknown>>> {
    let rows: ReadonlyArray<Record<string, unknown>> = []
    await eventually(async () => {
      const response = await this.admin("/analytics/requests?limit=1000")
      rows = ((await response.json()) as { data: typeof rows }).data
      return rows.length >= count
    }, 10_000)
    return rows
  }
}

export const issueAdminToken = (secret = ADMIN_JWT_SECRET, operator?: Operator): Promise<string> =>
  AdminTokens.use((tokens) => tokens.issue(Duration.hours(1), operator)).pipe(
    Effect.map(Redacted.value),
    Effect.provide(
      AdminTokens.layer.pipe(Layer.provide(Settings.layerTest({ adminJwtSecret: Redacted.make(secret) }))),
    ),
    Effect.runPromise,
  )
