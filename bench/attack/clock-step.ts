/** The gateway's wall clock steps under load: an hour ahead, back again, and a day ahead. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { MARKERS_IN_ANSWER } from "../answers.ts"
import { onDatabase } from "../database.ts"
import { openLoop } from "../load.ts"
import { post, text } from "../requests.ts"
import { type Attack, deedsOf, loading } from "./arena.ts"
import { chatAs, idOf } from "./keys.ts"
import { answerLater, ITS_MODEL, startProvider } from "./provider.ts"

const HOUR_MS = 3_600_000
/** Where the clock stands after each step, beside the real one. */
const STEPS_MS = [HOUR_MS, 0, 24 * HOUR_MS]
const RATE = 60
/** So long that each step finds requests under way. */
const ANSWER_MS = 200
const TOO_LONG_MS = 60_000
const MS_FOR_ROWS = 20_000

export const clockStep = async (): Promise<Attack> => {
  const provider = await startProvider("slow", (response) => answerLater(response, ANSWER_MS))
  return {
    providers: provider.entry,
    nodeArgs: [loading("stepped-clock.ts")],
    close: provider.close,
    run: async ({ gateway, folder, databaseUrl, seconds, key, note }) => {
      const owner = await key()
      const body = { model: ITS_MODEL, messages: [{ role: "user", content: text(200) }] }
      const request = post(chatAs(owner), body, { markers: MARKERS_IN_ANSWER, stream: false })
      const load = openLoop(gateway().port, request, RATE, seconds)
      for (const aheadMs of STEPS_MS) {
        await setTimeout((seconds * 1000) / (STEPS_MS.length + 1))
        writeFileSync(join(folder, "clock"), String(aheadMs))
        gateway().child.kill("SIGUSR2")
      }
      const { requests, failures } = await load
      const rows = () =>
        onDatabase(
          databaseUrl,
          (sql) => sql<{ good: number; long: number; longest: number; least: number }>`
            SELECT (count(*) FILTER (WHERE status = 200))::int AS good,
              (count(*) FILTER (WHERE latency_ms > ${TOO_LONG_MS}))::int AS long,
              max(latency_ms) AS longest, min(latency_ms) AS least
            FROM requests WHERE key_id = ${idOf(owner)}`,
        )
      const giveUpAt = performance.now() + MS_FOR_ROWS
      let [row] = await rows()
      while ((row?.good ?? 0) < requests - failures && performance.now() < giveUpAt) {
        await setTimeout(500)
        ;[row] = await rows()
      }
      const missing = requests - failures - (row?.good ?? 0)
      const long = row?.long ?? 0
      note(
        `${failures} requests failed, ${missing} rows are missing, ${long} have a latency above a minute ` +
          `(${row?.least} to ${row?.longest} ms)`,
      )
      return {
        ...deedsOf(await load),
        faults: [
          ...(failures === 0 ? [] : [`${failures} requests failed`]),
          ...(missing === 0 ? [] : [`${missing} rows are missing`]),
          ...(long === 0 ? [] : [`${long} rows have a latency above a minute`]),
        ],
      }
    },
  }
}
