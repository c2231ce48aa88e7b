import { Context, type Redacted } from "effect"
import type { GatewayConfig } from "./GatewayConfig.ts"

/** Every setting of the process, read once at start. */
export class Settings extends Context.Service<
  Settings,
  {
    readonly host: string
    readonly port: number
    /** Absent = embedded database under `dataDir`. */
    readonly databaseUrl?: Redacted.Redacted
    readonly dataDir: string
    readonly redisUrl?: Redacted.Redacted
    /** From the environment or generated in `dataDir`; at least 32 bytes. */
    readonly adminJwtSecret: Redacted.Redacted
    readonly maxBodyBytes: number
    readonly otlpEndpoint?: string
    readonly gateway: GatewayConfig
  }
>()("gateway/config/Settings") {}
