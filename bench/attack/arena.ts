/** A gateway of its own for each attack, on an empty database, and what an attacker may do with it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { openFilesLimit } from "../../test/support/process-watch.ts"
import { createDatabase } from "../database.ts"
import { type Gateway, startGateway } from "../gateway.ts"
import type { Load } from "../load.ts"
import { SUBJECT_CORE, stop } from "../processes.ts"
import { insertKeys } from "./keys.ts"
import { Stderr } from "./watch.ts"

interface Arena {
  /** Another one after `restart`. */
  readonly gateway: () => Gateway
  readonly stderr: Stderr
  readonly folder: string
  readonly databaseUrl: string
  /** Seconds that an attack lasts. */
  readonly seconds: number
  readonly key: (requestsPerMinute?: number) => Promise<string>
  /** Stops the gateway in order and starts it again. */
  readonly restart: () => Promise<void>
  /** As many connections as all processes may open, each one taking so many descriptors of the gateway. */
  readonly affordable: (wanted: number, descriptorsEach: number) => number
  /** Adds to what is told of the attack. */
  readonly note: (text: string) => void
}

/** What an attacker sent and was answered: statuses with their numbers, 0 for a connection that was cut. */
export interface Deeds {
  readonly sent: number
  readonly statuses: Readonly<Record<number, number>>
  /** What is wrong beside the bystander's own harm. */
  readonly faults?: ReadonlyArray<string>
}

export interface Attack {
  /** Lines of the gateway's configuration beside its defaults. */
  readonly settings?: string
  /** Entries of its list of providers beside the mock. */
  readonly providers?: string
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: ReadonlyArray<string>
  readonly bystander?: { readonly model?: string; readonly keyed?: boolean }
  /** The least that it takes, whatever `--seconds` says. */
  readonly seconds?: number
  /** Runs between the quiet and the attack. */
  readonly prepare?: (arena: Arena) => Promise<void>
  readonly run: (arena: Arena) => Promise<Deeds>
  /** Ends what the attack started besides. */
  readonly close?: () => Promise<void>
}

/** Descriptors that are left for files, database, providers and the bystander. */
const DESCRIPTORS_LEFT = 500
const UNLIMITED = 1_000_000

const script = (name: string): string => pathToFileURL(join(import.meta.dirname, name)).href

/** Arguments of Node that load a script of this folder into the gateway. */
export const loading = (name: string): string => `--import=${script(name)}`

/** Adds up what several loads sent. */
export const deedsOf = (...loads: ReadonlyArray<Load>): Deeds => {
  const statuses: Record<number, number> = {}
  const add = (status: number, count: number) => {
    if (count > 0) statuses[status] = (statuses[status] ?? 0) + count
  }
  for (const load of loads) {
    add(200, load.requests - load.failures)
    for (const [status, count] of Object.entries(load.failedWith)) add(Number(status), count)
  }
  return { sent: loads.reduce((sum, load) => sum + load.requests, 0), statuses }
}

export const openArena = async (
  name: string,
  attack: Attack,
  options: {
    readonly postgresUrl: string
    readonly mockPort: number
    readonly seconds: number
    readonly note: (text: string) => void
  },
): Promise<Arena & { readonly close: () => Promise<void> }> => {
  const folder = mkdtempSync(join(tmpdir(), "llm-gateway-attack-"))
  const stderr = new Stderr()
  try {
    const databaseUrl = await createDatabase(options.postgresUrl, `attack_${name.replaceAll("-", "_")}`)
    const started = () =>
      startGateway({
        folder,
        mockPort: options.mockPort,
        databaseUrl,
        core: SUBJECT_CORE,
        settings: attack.settings ?? "",
        providers: attack.providers ?? "",
        env: { ...attack.env, CLOCK_FILE: join(folder, "clock") },
        nodeArgs: [loading("loop-delay.ts"), ...(attack.nodeArgs ?? [])],
        onStderr: stderr.read,
      })
    let gateway = await started()
    const room = Math.min(openFilesLimit(gateway.pid), UNLIMITED) - DESCRIPTORS_LEFT
    return {
      gateway: () => gateway,
      stderr,
      folder,
      databaseUrl,
      seconds: Math.max(options.seconds, attack.seconds ?? 0),
      key: async (requestsPerMinute = 1_000_000) =>
        (await insertKeys(databaseUrl, 1, requestsPerMinute))[0] ?? "",
      restart: async () => {
        await stop(gateway.child)
        gateway = await started()
      },
      affordable: (wanted, descriptorsEach) => {
        const most = Math.min(wanted, Math.floor(room / descriptorsEach))
        if (most < wanted) options.note(`only ${most} of ${wanted} connections: more files may not be open`)
        return most
      },
      note: options.note,
      close: async () => {
        // What it has in flight may last for minutes.
        gateway.child.kill("SIGKILL")
        await stop(gateway.child)
        rmSync(folder, { recursive: true, force: true })
      },
    }
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true })
    throw cause
  }
}
