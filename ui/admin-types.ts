/** What the gateway says of keys, teams, budgets and changes of them, as it is on the wire. */
import type { TimeseriesRow, Usage as UsageSchema } from "../src/api/AnalyticsApi.ts"
import type { AuditEntry } from "../src/api/AuditApi.ts"
import type { BudgetJson } from "../src/api/budget-fields.ts"
import type { IssuedKeyJson, ListedKeyJson } from "../src/api/KeysApi.ts"
import type { TeamJson } from "../src/api/TeamsApi.ts"

export type ApiKey = typeof ListedKeyJson.Encoded
export type IssuedKey = typeof IssuedKeyJson.Encoded
export type Team = typeof TeamJson.Encoded
export type Budget = typeof BudgetJson.Encoded
export type Change = typeof AuditEntry.Encoded
export type Usage = typeof UsageSchema.Encoded
export type UsageOverTime = typeof TimeseriesRow.Encoded
