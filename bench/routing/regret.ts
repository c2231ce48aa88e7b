#!/usr/bin/env node
/**
 * Measures what the router loses against somebody who knows everything, beside how others choose, in worlds under virtual
 * time. Says so with exit code 1 when a goal is missed.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"
import type { CallMode } from "../../src/domain/Chat.ts"
import { markdown } from "../report.ts"
import { chart, mean, type Row } from "./chart.ts"
import { type Game, OPTIMUM, OWN } from "./compare.ts"
import type { Result } from "./play.ts"
import { rivals } from "./rivals.ts"
import { worlds } from "./worlds.ts"

const HELP = `Usage: npm run bench:routing -- [options]

  --worlds named|drawn|all  The named worlds, or some drawn at random (named)
  --world NAME              Only this one of the named
  --draws N                 How many are drawn (20)
  --from S                  Seed of the first drawn world (1)
  --mode whole|stream|both  (both)
  --requests N              Of each world (20000)
  --seeds N                 Runs of each world (2)
  --json FILE               Writes all numbers
  --write                   Writes the table of docs/routing-bench.md, the one of docs/routing.md and docs/regret.svg

Regret: 0.6 x time + 0.4 x price of each request, both beside the least that it could take, over that of a clairvoyant
who knows how each candidate is at each moment, but no draw of luck. Failed attempts count.
`

const GOAL_MEAN = 0.03
const GOAL_MOST = 0.06
/** A rival may be better by this. */
const GOAL_BEHIND = 0.01

const { values } = parseArgs({
  options: {
    worlds: { type: "string", default: "named" },
    world: { type: "string" },
    draws: { type: "string", default: "20" },
    from: { type: "string", default: "1" },
    mode: { type: "string", default: "both" },
    requests: { type: "string", default: "20000" },
    seeds: { type: "string", default: "2" },
    json: { type: "string" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const count = (name: "draws" | "from" | "requests" | "seeds"): number => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= 1) return number
  throw new Error(`--${name} must be a whole number from 1`)
}
const modes: ReadonlyArray<CallMode> =
  values.mode === "whole" ? ["whole"] : values.mode === "stream" ? ["stream"] : ["whole", "stream"]
const named = worlds
  .map(({ name }) => name)
  .filter((name) => values.world === undefined || name === values.world)
const drawn = Array.from({ length: count("draws") }, (_, i) => count("from") + i)
const played: ReadonlyArray<string | number> =
  values.worlds === "drawn" ? drawn : values.worlds === "all" ? [...named, ...drawn] : named

const games: ReadonlyArray<Game> = modes.flatMap((mode) =>
  played.flatMap((world) =>
    Array.from({ length: count("seeds") }, (_, i) => ({
      world,
      mode,
      seed: i + 1,
      requests: count("requests"),
    })),
  ),
)

/** Plays all games on all cores. */
const playAll = (): Promise<ReadonlyArray<Readonly<Record<string, Result>>>> =>
  new Promise((resolve, reject) => {
    const results: Array<Readonly<Record<string, Result>>> = []
    let next = 0
    let done = 0
    const workers = Array.from({ length: Math.min(availableParallelism(), games.length) }, () => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url))
      let current = -1
      const give = (): void => {
        current = next
        next += 1
        const game = games[current]
        if (game !== undefined) worker.postMessage(game)
      }
      worker.on("message", (result: Readonly<Record<string, Result>>) => {
        results[current] = result
        done += 1
        process.stderr.write(`\r${done} of ${games.length} games`)
        if (done === games.length) {
          process.stderr.write("\n")
          for (const each of workers) void each.terminate()
          resolve(results)
        } else give()
      })
      worker.on("error", reject)
      give()
      return worker
    })
  })

const percent = (share: number): string => (100 * share).toFixed(1)
const nameOf = (world: string | number): string => (typeof world === "number" ? `drawn ${world}` : world)

const results = await playAll()
const policies = [OWN, ...Object.keys(rivals)]
/** Regrets by mode and world, of each policy: means over the seeds. */
const rows = modes.flatMap((mode) =>
  played.map((world) => {
    const mine = games.flatMap((game, i) =>
      game.mode === mode && game.world === world ? [results[i] ?? {}] : [],
    )
    const regretOf = (policy: string): number =>
      mean(mine.map((result) => (result[policy]?.loss ?? 0) / (result[OPTIMUM]?.loss ?? 1) - 1))
    return { mode, world: nameOf(world), regrets: policies.map(regretOf) }
  }),
)
const of = (policy: string): ReadonlyArray<number> =>
  rows.map(({ regrets }) => regrets[policies.indexOf(policy)] ?? 0)

const full = markdown({
  columns: ["world, regret in %", "mode", ...policies],
  rows: rows.map(({ mode, regrets, world }) => [world, mode, ...regrets.map(percent)]),
})
const short = markdown({
  columns: ["regret in %", "mean", "worst world"],
  rows: policies.map((policy) => [policy, percent(mean(of(policy))), percent(Math.max(...of(policy)))]),
})
process.stdout.write(`${full}\n\n${short}\n\n`)

const faults: Array<string> = []
const own = of(OWN)
if (mean(own) > GOAL_MEAN) faults.push(`mean ${percent(mean(own))} % is above ${percent(GOAL_MEAN)} %`)
for (const { mode, regrets, world } of rows) {
  const [mine = 0, ...others] = regrets
  if (mine > GOAL_MOST) faults.push(`${world}, ${mode}: ${percent(mine)} % is above ${percent(GOAL_MOST)} %`)
  const best = Math.min(...others)
  if (mine > best + GOAL_BEHIND) {
    const rival = policies[regrets.indexOf(best)]
    faults.push(`${world}, ${mode}: ${percent(mine)} % is behind ${rival}, ${percent(best)} %`)
  }
}
for (const fault of faults) process.stdout.write(`missed: ${fault}\n`)

const note = `${played.length} worlds, ${modes.join(" and ")}, ${count("requests").toLocaleString("en")} requests, ${count("seeds")} seeds each. npm run bench:routing; what it means is in docs/routing-bench.md.`
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ note, policies, rows, results, games }, null, 1)}\n`)
}
if (values.write) {
  const root = join(import.meta.dirname, "../..")
  const between = (file: string, text: string): void => {
    const path = join(root, file)
    const [before = "", rest = ""] = readFileSync(path, "utf8").split("<!-- regret -->\n")
    const after = rest.slice(rest.indexOf("<!-- /regret -->"))
    writeFileSync(path, `${before}<!-- regret -->\n${text}\n${after}`)
  }
  const missed =
    faults.length === 0 ? "" : `\n\nNot reached:\n\n${faults.map((fault) => `- ${fault}`).join("\n")}`
  between("docs/routing-bench.md", `${full}\n\n${short}\n\n${note}${missed}`)
  between("docs/routing.md", short)
  const plotted: ReadonlyArray<Row> = policies.map((name) => ({ name, own: name === OWN, regrets: of(name) }))
  writeFileSync(join(root, "docs/regret.svg"), chart(plotted, note))
}
process.exitCode = faults.length > 0 ? 1 : 0
