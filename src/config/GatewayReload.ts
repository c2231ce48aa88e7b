import { Context, type Effect } from "effect"
import type { GatewayConfig } from "./GatewayConfig.ts"
import type { SettingsError } from "./SettingsError.ts"

/** What a process tells the others of its machine once an operator had it reload. */
export const RELOAD_TOPIC = "config-reload"

interface Reloaded {
  /** Settings that were changed and hold from the next start on, as paths of the file. */
  readonly atNextStart: ReadonlyArray<string>
}

/** Replaces the configuration that the gateway runs on. */
export class GatewayReload extends Context.Service<
  GatewayReload,
  {
    /**
     * Reads the file, its keys and prices again, checks all of it, and then runs on it from one request to the next. With any
     * fault everything stays as it was.
     */
    readonly reload: Effect.Effect<Reloaded, SettingsError>
    /** What kept the last reload from being made; undefined once one is. */
    readonly fault: () => string | undefined
  }
>()("gateway/config/GatewayReload") {}

/** Returns what differs of that which is only read at the start. */
export const atNextStart = (before: GatewayConfig, after: GatewayConfig): ReadonlyArray<string> =>
  [
    ["timeouts.drain_ms", before.timeouts.drainMs, after.timeouts.drainMs],
    ["timeouts.client_stall_ms", before.timeouts.clientStallMs, after.timeouts.clientStallMs],
    ["ledger.journal", before.ledger.journal, after.ledger.journal],
    ["ledger.journal_max_bytes", before.ledger.journalMaxBytes, after.ledger.journalMaxBytes],
  ].flatMap(([path, was, is]) => (was === is ? [] : [String(path)]))
