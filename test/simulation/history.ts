import type { Run } from "./run.ts"
import type { WorldEvent } from "./World.ts"

/** Tells a run as a list that a person can read, in the order of its times: the same for the same seed, to the letter. */
export const tell = (run: Run): ReadonlyArray<string> => {
  const lines: Array<{ readonly atMs: number; readonly text: string }> = []
  const at = (atMs: number, text: string) => lines.push({ atMs, text })
  for (const event of run.world.events) at(event.atMs, describe(event))
  for (const { visit, ...sight } of run.sights) {
    const { code, ending, endedAtMs, headAtMs, process, replayed, status, text } = sight
    if (headAtMs !== undefined && headAtMs !== endedAtMs)
      at(headAtMs, `${visit.id} gets ${status} from ${process}${replayed ? ", a replay" : ""}`)
    const said = [status, code, replayed ? "a replay" : undefined, `${text.length} bytes`]
    at(
      endedAtMs ?? run.world.endMs,
      `${visit.id} is ${ending ?? "open"} (${said.filter((word) => word !== undefined).join(", ")})`,
    )
  }
  for (const call of run.calls) {
    const { atMs, endedAtMs, number, outcome, pieces, process, retryAfterMs, target, timeoutMs, visit } = call
    at(atMs, `${process} asks ${target} for ${visit.id} (call ${number}, has ${timeoutMs} ms)`)
    const details = [
      outcome ?? "unknown",
      pieces > 0 ? `${pieces} pieces` : undefined,
      retryAfterMs === undefined ? undefined : `come back after ${retryAfterMs} ms`,
    ]
    at(
      endedAtMs ?? run.world.endMs,
      `call ${number} ends: ${details.filter((word) => word !== undefined).join(", ")}`,
    )
  }
  for (const { atMs, process } of run.deaths) at(atMs, `${process} dies`)
  for (const { atMs, process, target } of run.trips) at(atMs, `${target} is tripped in ${process}`)
  const told = lines
    .map((line, order) => ({ ...line, order }))
    .sort((one, other) => one.atMs - other.atMs || one.order - other.order)
    .map(({ atMs, text }) => `${clock(atMs)}  ${text}`)
  const rows = [...run.rows.values()].map((row) => {
    const attempts = row.attempts.map(({ model, outcome, provider }) => `${provider}/${model} ${outcome}`)
    const times = row.requests === 1 ? "" : `, stands for ${row.requests}`
    return `row ${row.id}: ${row.status} ${row.error_code ?? "ok"}, ${row.latency_ms} ms, costs ${row.cost_nano_usd ?? row.cost_reason}, attempts: ${attempts.join(", ") || "none"}${times}`
  })
  return [...told, ...rows]
}

/** One event in words. */
const describe = (event: WorldEvent): string => {
  switch (event.kind) {
    case "visit": {
      const {
        claim,
        client,
        credential,
        deadlineMs,
        dryRun,
        id,
        leavesAfterMs,
        mistake,
        model,
        reads,
        readable,
        replica,
        stream,
        uploadMs,
      } = event
      const more = [
        stream ? "streamed" : "whole",
        claim && `key ${claim.key}, body ${claim.body}`,
        mistake,
        credential === "valid" ? undefined : `credential ${credential}`,
        readable ? undefined : "unreadable",
        dryRun ? "dry run" : undefined,
        uploadMs > 0 ? `arrives in ${uploadMs} ms` : undefined,
        deadlineMs === undefined ? undefined : `has ${deadlineMs} ms`,
        leavesAfterMs === undefined ? undefined : `leaves after ${leavesAfterMs} ms`,
        reads && `reads ${reads.bytes} bytes every ${reads.everyMs} ms`,
      ]
      return `${id} comes to gateway ${replica} as ${client} for ${model}: ${more.filter((word) => word !== undefined).join("; ")}`
    }
    case "weather": {
      const { is, ...how } = event.trouble
      return `${event.provider} is in trouble for ${event.forMs} ms: ${is} ${JSON.stringify(how)}`
    }
    case "outage":
      return `no ${event.of} for ${event.forMs} ms`
    case "crash":
      return `gateway ${event.replica} is to die after ${event.afterSteps} steps, for ${event.downMs} ms`
    case "stop":
      return `gateway ${event.replica} is told to stop, and another one starts`
    case "pause":
      return `gateway ${event.replica} stands still for ${event.forMs} ms`
    case "reset":
      return `gateway ${event.replica} is told to forget all trouble of ${event.provider}`
    case "step":
      return `the wall clock of gateway ${event.replica} is set by ${event.ms} ms`
  }
}

const clock = (ms: number): string => {
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0")
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)}.${String(Math.floor(ms % 1_000)).padStart(3, "0")}`
}
