#!/usr/bin/env node
/** Measures what hedging does to the tail of times, and what it costs: the gateway in worlds under virtual time. */
import { parseArgs } from "node:util"
import type { CallMode } from "../../src/domain/Chat.ts"
import { markdown } from "../report.ts"
import { makeDice } from "./dice.ts"
import { playGateway } from "./gateway.ts"
import { Run } from "./world.ts"
import { worlds } from "./worlds.ts"

const { values } = parseArgs({
  options: {
    world: { type: "string", default: "heavy tails" },
    requests: { type: "string", default: "20000" },
    seeds: { type: "string", default: "2" },
  },
})

const world = worlds.find(({ name }) => name === values.world)
if (world === undefined) throw new Error(`There is no world "${values.world}"`)

const SHARES = [0, 0.02, 0.05, 0.1, 0.2]
const MODES: ReadonlyArray<CallMode> = ["whole", "stream"]

/** Who leaves an answer pays for it all the same here: dollars are the most that hedges can cost. */
const measure = (mode: CallMode, share: number): ReadonlyArray<string> => {
  const served = Array.from({ length: Number(values.seeds) }, (_, i) => {
    const run = new Run(world, world.requests(makeDice(i + 1), Number(values.requests)), mode, i + 1)
    return playGateway(run, undefined, share === 0 ? undefined : { traffic: share, spend: share })
  }).flat()
  const times = served.map(({ ms }) => ms).sort((a, b) => a - b)
  const at = (q: number): string => Math.round(times[Math.floor(q * times.length)] ?? 0).toString()
  const usd = served.reduce((sum, each) => sum + each.usd, 0) / served.length
  const calls = served.reduce((sum, { attempts }) => sum + attempts, 0) / served.length
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
  return [
    mode,
    share === 0 ? "off" : String(share),
    Math.round(mean).toString(),
    at(0.5),
    at(0.95),
    at(0.99),
    at(0.999),
    calls.toFixed(3),
    (1_000 * usd).toFixed(3),
  ]
}

const columns = [
  "mode",
  "shares",
  "mean ms",
  "p50",
  "p95",
  "p99",
  "p99.9",
  "calls a request",
  "$ per thousand",
]
const rows = MODES.flatMap((mode) => SHARES.map((share) => measure(mode, share)))
process.stdout.write(`${markdown({ columns, rows })}\n`)
