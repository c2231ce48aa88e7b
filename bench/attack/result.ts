/** What an attack did, as a row of a table. */
import type { Deeds } from "./arena.ts"
import type { Seen } from "./bystander.ts"
import type { Watched } from "./watch.ts"

export interface Result extends Watched {
  readonly name: string
  readonly deeds: Deeds
  readonly quiet: Seen
  readonly attacked: Seen
  readonly notes: ReadonlyArray<string>
  readonly faults: ReadonlyArray<string>
}

const columns = [
  "attack",
  "sent: statuses",
  "most connections",
  "bystander: failed of sent",
  "p50 ms",
  "p99 ms",
  "quiet p99",
  "times quiet",
  "mock's p99",
  "peak MiB",
  "longest stall ms",
  "core used by others",
  "what else",
  "verdict",
]

export const head = [columns, columns.map(() => "---")].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

const named = (status: string): string => (status === "0" ? "cut" : status)
const statuses = (counts: Readonly<Record<number, number>>): string =>
  Object.entries(counts)
    .map(([status, count]) => `${count}x ${named(status)}`)
    .join(", ")

export const row = ({ name, deeds, quiet, attacked, notes, faults, ...watched }: Result): string => {
  const failed = attacked.failures === 0 ? "0" : `${attacked.failures} (${statuses(attacked.failedWith)})`
  const cells = [
    name,
    `${deeds.sent}${deeds.sent > 0 && Object.keys(deeds.statuses).length > 0 ? `: ${statuses(deeds.statuses)}` : ""}`,
    watched.connections,
    `${failed} of ${attacked.sent}`,
    attacked.p50.toFixed(1),
    attacked.p99.toFixed(1),
    quiet.p99.toFixed(1),
    (attacked.p99 / quiet.p99).toFixed(1),
    attacked.mockP99.toFixed(1),
    watched.peakMiB.toFixed(0),
    watched.maxLoopDelayMs,
    `${Math.round(watched.foreignBusy * 100)} %`,
    notes.join("; "),
    faults.length === 0 ? "held" : `FAULT: ${faults.join("; ")}`,
  ]
  return `| ${cells.join(" | ")} |`
}
