import { Context, type Effect } from "effect"
import type { LedgerRecord } from "./LedgerRecord.ts"

/** Takes finished requests off the request path and gets each into PostgreSQL exactly once. */
export class Ledger extends Context.Service<
  Ledger,
  {
    /** Never waits for the database and never fails; a full queue drops the record and counts it. */
    readonly record: (record: LedgerRecord) => Effect.Effect<void>
    /** Resolves when everything recorded so far is in the database, or fails to within `timeoutMs` (false). */
    readonly flush: (timeoutMs: number) => Effect.Effect<boolean>
  }
>()("gateway/ledger/Ledger") {}
