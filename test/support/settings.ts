import { Layer, Redacted } from "effect"
import type { GatewayConfig } from "../../src/config/GatewayConfig.ts"
import { Settings } from "../../src/config/Settings.ts"

/** Settings of a gateway that listens nowhere. */

export const timeouts: GatewayConfig["timeouts"] = {
  connectMs: 3_000,
  headersMs: 15_000,
  bodyMs: 15_000,
  deadlineMs: 60_000,
  streamMs: 120_000,
  firstTokenMs: 10_000,
  keepAliveMs: 15_000,
  clientStallMs: 30_000,
  drainMs: 20_000,
}

export const settingsOf = (gateway: GatewayConfig) =>
  Layer.succeed(Settings, {
    host: "127.0.0.1",
    port: 0,
    docs: true,
    metrics: true,
    ui: true,
    workers: 1,
    dataDir: "unused",
    adminJwtSecret: Redacted.make("unused"),
    maxBodyBytes: 1_000_000,
    gateway,
  })
