/** Everything that a run needs, on loopback and in a temporary folder: mock, yardstick, PostgreSQL, gateway, peers. */
import type { ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { createBudgetedKey, createKey, createLimitedKey, ledgerRows, startGateway } from "./gateway.ts"
import { startPortkey } from "./peers.ts"
import { descendant } from "./proc.ts"
import { freePort, OTHERS_CORE, pin, SUBJECT_CORE, start, stop } from "./processes.ts"
import { BARE, DIRECT, FULL, type Subject } from "./subject.ts"

export interface World {
  readonly pinned: boolean
  readonly folder: string
  readonly mockPort: number
  readonly postgresUrl: string
  readonly postgresPid: number
  /** The mock called directly, the yardstick, the gateway, and the peers that were asked for. */
  readonly subjects: ReadonlyArray<Subject>
  /** API keys of the gateway's: one with a budget and limits, and one that counts against many of both. */
  readonly budgetedKey: string
  readonly limitedKey: string
  /** Calls that the mock has received. */
  readonly calls: () => Promise<number>
  readonly ledgerRows: () => Promise<number>
  readonly startBare: () => Promise<ChildProcess>
  readonly close: () => Promise<void>
}

const script = (name: string): string => join(import.meta.dirname, name)

interface MockUpstream {
  readonly child: ChildProcess
  readonly port: number
  /** POSTs that it has received, and streams that were cut before their end. */
  readonly count: () => Promise<{ readonly received: number; readonly cut: number }>
}

export const startMock = async (core?: number): Promise<MockUpstream> => {
  const port = await freePort()
  const child = await start(script("mock-upstream.ts"), [String(port)], { core, ready: "ready" })
  return {
    child,
    port,
    count: async () => {
      const response = await fetch(`http://127.0.0.1:${port}/count`)
      // The other side is mock-upstream.ts.
      return (await response.json()) as { received: number; cut: number }
    },
  }
}

/** Starts all of it; whatever started is stopped again when a part does not. */
export const makeWorld = async (options: {
  readonly peers: boolean
  readonly say: (line: string) => void
}): Promise<World> => {
  const closing: Array<() => Promise<void>> = []
  const close = async (): Promise<void> => {
    for (const end of closing.reverse()) await end().catch((cause) => options.say(String(cause)))
  }
  const owned = (child: ChildProcess): ChildProcess => {
    closing.push(() => stop(child))
    return child
  }
  try {
    const folder = mkdtempSync(join(tmpdir(), "llm-gateway-bench-"))
    closing.push(async () => rmSync(folder, { recursive: true, force: true }))
    const pinned = pin(process.pid, OTHERS_CORE)
    options.say("starting PostgreSQL, mock, bare proxy and gateway")
    const postgres = await createPostgresServer()
    closing.push(postgres.remove)
    await postgres.start()
    const mock = await startMock(OTHERS_CORE)
    owned(mock.child)
    const startBare = async (port: number): Promise<ChildProcess> =>
      start(script("bare-proxy.ts"), [String(port), String(mock.port)], {
        core: SUBJECT_CORE,
        ready: "ready",
      })
    const barePort = await freePort()
    const bare = owned(await startBare(barePort))
    const gateway = await startGateway({
      folder,
      mockPort: mock.port,
      databaseUrl: postgres.url,
      core: SUBJECT_CORE,
    })
    owned(gateway.child)
    const key = createKey(gateway)
    const budgetedKey = createBudgetedKey(gateway)
    const limitedKey = createLimitedKey(gateway)
    const path = "/v1/chat/completions"
    const subjects: Array<Subject> = [
      {
        name: DIRECT,
        title: "the mock, called directly",
        port: mock.port,
        pid: mock.child.pid ?? 0,
        peer: false,
        hasLedger: false,
        address: { path, headers: {} },
      },
      {
        name: BARE,
        title: "bare `node:http` + `undici`",
        port: barePort,
        pid: bare.pid ?? 0,
        peer: false,
        hasLedger: false,
        address: { path, headers: {} },
      },
      {
        name: FULL,
        title: "this gateway, full lane",
        port: gateway.port,
        pid: gateway.pid,
        peer: false,
        hasLedger: true,
        address: { path, headers: { "x-api-key": key } },
      },
    ]
    if (options.peers) {
      options.say("installing Portkey's gateway from npm")
      try {
        const peer = await startPortkey(join(folder, "portkey"), mock.port)
        owned(peer.child)
        subjects.push(peer.subject)
      } catch (cause) {
        options.say(`Portkey's gateway cannot be had, so the run goes on without it: ${String(cause)}`)
      }
    }
    return {
      pinned,
      folder,
      mockPort: mock.port,
      postgresUrl: postgres.url,
      postgresPid: descendant(process.pid, "postgres") ?? 0,
      subjects,
      budgetedKey,
      limitedKey,
      calls: async () => (await mock.count()).received,
      ledgerRows: ledgerRows(gateway),
      startBare: async () => startBare(await freePort()),
      close,
    }
  } catch (cause) {
    await close()
    throw cause
  }
}
