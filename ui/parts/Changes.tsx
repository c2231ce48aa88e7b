import type { Change } from "../admin-types.ts"
import { money, time } from "../format.ts"
import { PER_WINDOW } from "./BudgetBar.tsx"
import { Text } from "./Text.tsx"
import { Ago } from "./Time.tsx"

const ACTIONS: Readonly<Record<string, string>> = {
  "key.create": "Created",
  "key.set": "Changed",
  "key.rotate": "Rotated",
  "key.revoke": "Revoked",
  "budget.set": "Budget set",
  "budget.reset": "Budget reset",
  "budget.delete": "Budget deleted",
}

/** Who changed what of one thing, newest first. */
export const Changes = ({ changes }: { readonly changes: ReadonlyArray<Change> }) => (
  <ol class="changes">
    {changes.map((change) => (
      <li key={change.id}>
        <div>
          <strong>{ACTIONS[change.action] ?? change.action}</strong> <Ago at={change.at} />{" "}
          <span class="hint">
            by <Text value={change.actor} />
          </span>
        </div>
        <ul>
          {differences(change).map(({ after, before, field }) => (
            <li key={field}>
              {field.replace("_nano", "").replaceAll("_", " ")}: <Text value={before} longest={48} /> →{" "}
              <Text value={after} longest={48} />
            </li>
          ))}
        </ul>
      </li>
    ))}
  </ol>
)

/** Fields that are not as they were. What was made or deleted as a whole has none. */
const differences = ({ after, before }: Change) => {
  if (before === null || after === null) return []
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((field) => field !== "new_secret")
    .map((field) => ({ field, before: told(field, before[field]), after: told(field, after[field]) }))
    .filter(({ after, before }) => after !== before)
}

/** The audit has names and amounts as they are stored. */
const told = (field: string, value: unknown): string => {
  if (value === null || value === undefined) return "none"
  if (Array.isArray(value)) {
    return value.length === 0 ? "none" : value.map((item) => told(field, item)).join(", ")
  }
  if (field === "limit_nano_usd") return money(Number(value) / NANO)
  if (field.endsWith("_at") || field.endsWith("_until")) return time(String(value))
  return isBudget(value)
    ? `${money(value.limit_nano_usd / NANO)} ${PER_WINDOW[value.period]}`
    : typeof value === "object"
      ? JSON.stringify(value)
      : String(value)
}

const NANO = 1e9

const isBudget = (
  value: unknown,
): value is { readonly limit_nano_usd: number; readonly period: keyof typeof PER_WINDOW } =>
  typeof value === "object" && value !== null && "limit_nano_usd" in value && "period" in value
