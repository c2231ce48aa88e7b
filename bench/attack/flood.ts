/** One key on ever more connections that ask again at once, refused or not: how much is still answered? */
import { closedLoop, type Load } from "../load.ts"
import { chat } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs } from "./keys.ts"

/** Once, three and ten times what saturates it, and the worst. */
const CONNECTIONS = [64, 192, 640, 3_000]
const BODY_BYTES = 1_000
const HANGS_MS = 2_000
/** The share of the best goodput that has to be left under any load. */
const LEFT = 0.8

const goodput = ({ requests, failures, seconds }: Load): number => (requests - failures) / seconds

export const flood = (): Attack => ({
  seconds: 16,
  run: async ({ gateway, seconds, affordable, key, note }) => {
    const request = chat(chatAs(await key()), BODY_BYTES)
    const loads: Array<Load> = []
    for (const wanted of CONNECTIONS) {
      const connections = affordable(wanted, 2)
      const load = await closedLoop(
        gateway().port,
        request,
        connections,
        seconds / CONNECTIONS.length,
        HANGS_MS,
      )
      loads.push(load)
      note(
        `${connections} connections: ${Math.round(goodput(load))} answers/s, ${Math.round(load.failures / load.seconds)} refusals/s`,
      )
    }
    // The first ones need not fill the process.
    const best = Math.max(...loads.map(goodput))
    const least = Math.min(...loads.slice(1).map(goodput))
    return {
      ...deedsOf(...loads),
      faults:
        least < best * LEFT ? [`goodput fell to ${Math.round((least / best) * 100)} % of its best`] : [],
    }
  },
})
