/** After a restart of the gateway 500 owners come back at once, each with a key that it used before. */
import { setTimeout } from "node:timers/promises"
import { type Answer, Connection } from "../connection.ts"
import { chat } from "../requests.ts"
import { percentile } from "../statistics.ts"
import type { Attack } from "./arena.ts"
import { chatAs, insertKeys } from "./keys.ts"

const OWNERS = 500
/** What a refusal's Retry-After says at least. */
const AGAIN_MS = 1_000
const GIVE_UP_MS = 60_000
/** Owners that use their keys for the first time together. */
const AT_ONCE = 8

const ask = async (port: number, key: string): Promise<Answer> => {
  const connection = new Connection(port, 4_096)
  const answer = await new Promise<Answer>((resolve) => connection.send(chat(chatAs(key), 1_000), resolve))
  connection.close()
  return answer
}

export const restart = (): Attack => {
  let keys: ReadonlyArray<string> = []
  return {
    prepare: async ({ databaseUrl, gateway, affordable, restart }) => {
      keys = await insertKeys(databaseUrl, affordable(OWNERS, 2), 600)
      const waiting = [...keys]
      const useOnce = async (): Promise<void> => {
        for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
          while (!(await ask(gateway().port, key)).ok) await setTimeout(AGAIN_MS)
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, useOnce))
      await restart()
    },
    run: async ({ gateway, note }) => {
      const startedAt = performance.now()
      const statuses: Record<number, number> = {}
      const servedAfter: Array<number> = []
      let [sent, refusedFirst] = [0, 0]
      const owner = async (key: string): Promise<void> => {
        for (let tries = 1; performance.now() - startedAt < GIVE_UP_MS; tries++) {
          const { status, ok } = await ask(gateway().port, key)
          sent++
          statuses[status] = (statuses[status] ?? 0) + 1
          if (ok) return void servedAfter.push((performance.now() - startedAt) / 1000)
          if (tries === 1) refusedFirst++
          await setTimeout(AGAIN_MS)
        }
      }
      await Promise.all(keys.map(owner))
      note(
        `${servedAfter.length} of ${keys.length} owners served: half after ${percentile(servedAfter, 0.5).toFixed(1)} s, ` +
          `99 % after ${percentile(servedAfter, 0.99).toFixed(1)} s; ${refusedFirst} were refused at first`,
      )
      return {
        sent,
        statuses,
        faults: refusedFirst === 0 ? [] : [`${refusedFirst} of ${keys.length} owners were refused at first`],
      }
    },
  }
}
