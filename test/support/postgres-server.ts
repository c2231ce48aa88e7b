import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

/** A real PostgreSQL from the npm binaries on a free loopback port, for the run or for a test that kills it. */
export interface PostgresServer {
  readonly url: string
  readonly start: () => Promise<void>
  /** `kill -9` of the server and every session, as a crash does it; `start` brings it back with the data it had. */
  readonly kill: () => Promise<void>
  /** Stops it and removes its files. */
  readonly remove: () => Promise<void>
}

interface Reply {
  readonly value?: string
  readonly error?: string
}

const MS_FOR_ANSWER = 60_000

/** Makes the files; `start` starts it. */
export async function createPostgresServer(): Promise<PostgresServer> {
  const owner = fork(fileURLToPath(new URL("./postgres-process.ts", import.meta.url)), {
    execArgv: [],
    // Ctrl-C is for the test run alone; its end is how the owner learns that it is time to clean up.
    detached: true,
  })
  const ended = once(owner, "exit").then(() => [{ error: "PostgreSQL's process ended" }])
  const ask = async (command: string): Promise<string> => {
    owner.send(command)
    // The other side of the channel is ours.
    const answered = once(owner, "message", { signal: AbortSignal.timeout(MS_FOR_ANSWER) }).catch(() => [
      { error: `PostgreSQL did not ${command} within ${MS_FOR_ANSWER / 1000} s` },
    ])
    const [reply] = (await Promise.race([answered, ended])) as [Reply]
    if (reply.error !== undefined) throw new Error(reply.error)
    return reply.value ?? ""
  }
  const remove = async () => {
    try {
      await ask("remove")
    } finally {
      owner.disconnect()
    }
  }
  try {
    const url = await ask("create")
    return {
      url,
      start: async () => void (await ask("start")),
      kill: async () => void (await ask("kill")),
      remove,
    }
  } catch (cause) {
    await remove()
    throw cause
  }
}
