/**
 * `npm run bench:attack`: what one client, one stranger, one provider or a restart can do to everybody else. Each attack
 * has a gateway of its own, on loopback and on one core; a bystander is measured before it and during it.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { createPostgresServer } from "../../test/support/postgres-server.ts"
import { MODEL } from "../answers.ts"
import { machine, machineLine } from "../machine.ts"
import { hasProc } from "../proc.ts"
import { OTHERS_CORE, pin, stop } from "../processes.ts"
import { startMock } from "../world.ts"
import type { Attack, Deeds } from "./arena.ts"
import { openArena } from "./arena.ts"
import { bigBodies } from "./big-bodies.ts"
import { bystand, harm, type Seen } from "./bystander.ts"
import { clockStep } from "./clock-step.ts"
import { docsUnread } from "./docs-unread.ts"
import { embeddingsUnion } from "./embeddings-union.ts"
import { flood } from "./flood.ts"
import { halfBodies } from "./half-bodies.ts"
import { hangingProvider } from "./hanging-provider.ts"
import { keyedAbandoned } from "./keyed-abandoned.ts"
import { limitedFlood } from "./limited-flood.ts"
import { manyFields } from "./many-fields.ts"
import { restart } from "./restart.ts"
import { head, type Result, row } from "./result.ts"
import { slowProvider } from "./slow-provider.ts"
import { slowReaders } from "./slow-readers.ts"
import { slowStreams } from "./slow-streams.ts"
import { strangers } from "./strangers.ts"
import { watch } from "./watch.ts"

const attacks: Readonly<Record<string, () => Attack | Promise<Attack>>> = {
  "docs-unread": docsUnread,
  "half-bodies": halfBodies,
  "limited-flood": limitedFlood,
  "many-fields": manyFields,
  "embeddings-union": embeddingsUnion,
  "big-bodies": bigBodies,
  strangers,
  "keyed-abandoned": keyedAbandoned,
  "hanging-provider": hangingProvider,
  "slow-provider": slowProvider,
  "slow-streams": slowStreams,
  flood,
  "slow-readers": slowReaders,
  restart,
  "clock-step": clockStep,
}

const usage = `npm run bench:attack -- [--only NAME] [--seconds 10] [--json FILE]

Attacks a gateway on loopback and says what a bystander saw of it, one line an attack. Exit status 1 when one of the
bystander's requests failed or its p99 rose above three times that of the quiet before (and above 50 ms), when the
gateway died, or when an attack says that something else went wrong. Wants Linux and two cores on which nothing else runs.

  --only NAME   ${Object.keys(attacks).join(", ")}; may be given more than once
  --seconds N   of the quiet and of each attack, 10; some attacks take longer
  --json FILE   everything as numbers
  --help`

const RATE = 20
const WARM_UP = { ratePerSecond: 100, seconds: 2 }

const startedAt = performance.now()
const say = (line: string): void =>
  console.error(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${line}`)

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const carryOut = async (
  name: string,
  attack: Attack,
  options: { readonly postgresUrl: string; readonly mockPort: number; readonly seconds: number },
): Promise<Result> => {
  const notes: Array<string> = []
  const note = (text: string): void => {
    notes.push(text)
    say(`${name}: ${text}`)
  }
  const arena = await openArena(name, attack, { ...options, note })
  try {
    const plan = {
      mockPort: options.mockPort,
      key: await arena.key(),
      model: attack.bystander?.model ?? MODEL,
      keyed: attack.bystander?.keyed ?? false,
      ratePerSecond: RATE,
      seconds: arena.seconds,
    }
    const seen = (changes: object): Promise<Seen> =>
      bystand({ ...plan, port: arena.gateway().port, ...changes })
    say(`${name}: warming up, then the quiet`)
    await seen(WARM_UP)
    const quiet = await seen({ seconds: options.seconds })
    await attack.prepare?.(arena)
    say(`${name}: attacking`)
    const watched = watch(arena.gateway(), arena.stderr)
    const bystander = seen({})
    const deeds: Deeds = await attack.run(arena).catch((cause: unknown) => {
      note(`the attack broke off: ${messageOf(cause)}`)
      return { sent: 0, statuses: {} }
    })
    const attacked = await bystander
    const { child } = arena.gateway()
    const death = child.signalCode ?? child.exitCode
    if (death !== null) note(`its last words: ${arena.stderr.lastLines.join(" / ")}`)
    return {
      name,
      deeds,
      quiet,
      attacked,
      ...watched(),
      notes,
      faults: [
        ...(death === null ? [] : [`the gateway died (${death})`]),
        ...harm(quiet, attacked),
        ...(deeds.faults ?? []),
      ],
    }
  } finally {
    await arena.close()
  }
}

const run = async (
  names: ReadonlyArray<string>,
  seconds: number,
): Promise<ReadonlyArray<Result | { readonly name: string; readonly faults: ReadonlyArray<string> }>> => {
  const postgres = await createPostgresServer()
  const mock = await startMock(OTHERS_CORE)
  const results = []
  try {
    await postgres.start()
    console.log(head)
    for (const name of names) {
      let attack: Attack | undefined
      try {
        attack = await attacks[name]?.()
        if (attack === undefined) continue
        const options = { postgresUrl: postgres.url, mockPort: mock.port, seconds }
        const result = await carryOut(name, attack, options)
        results.push(result)
        console.log(row(result))
      } catch (cause) {
        results.push({ name, faults: [messageOf(cause)] })
        console.log(`| ${name} | FAULT: could not be carried out: ${messageOf(cause)} |`)
      } finally {
        await attack?.close?.()
      }
    }
  } finally {
    await stop(mock.child)
    await postgres.remove()
  }
  return results
}

try {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: Object.keys(attacks) },
      seconds: { type: "string", default: "10" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  })
  const seconds = Number(values.seconds)
  const unknown = values.only.filter((name) => !Object.hasOwn(attacks, name))
  if (values.help) console.log(usage)
  else if (unknown.length > 0) throw new Error(`no attack ${unknown.join(", ")}\n${usage}`)
  else if (!(seconds >= 1)) throw new Error(`--seconds must be at least 1, not ${values.seconds}`)
  else if (!hasProc) throw new Error("memory and connections are read from /proc, which only Linux has")
  else {
    const here = machine()
    pin(process.pid, OTHERS_CORE)
    console.log(
      `${machineLine(here)}; load average ${here.loadBefore.toFixed(1)} before; ${seconds} s an attack\n`,
    )
    const results = await run(values.only, seconds)
    if (values.json !== undefined) {
      writeFileSync(values.json, `${JSON.stringify({ machine: here, seconds, results }, null, 2)}\n`)
    }
    process.exitCode = results.some(({ faults }) => faults.length > 0) ? 1 : 0
  }
} catch (cause) {
  console.error(messageOf(cause))
  process.exitCode = 1
}
