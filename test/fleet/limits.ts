import { LeaseWorld, run } from "../limits/LeaseWorld.ts"
import { hotOne } from "./weights.ts"

interface Plan {
  readonly replicas: number
  /** Requests in a minute. */
  readonly limit: number
  /** How much is asked for beside the limit. */
  readonly times: number
  /** One replica gets nine tenths of the requests. */
  readonly isHot?: boolean
}

const [WARM_UP_MS, MEASURED_MS] = [90_000, 60_000]

/** Many replicas that keep one limit of requests per minute together: the real leases in each, over the model of the store. */
export const limitTogether = ({ isHot = false, limit, replicas, times }: Plan) => {
  const world = new LeaseWorld({ seed: replicas, kind: "requests", limit, replicas })
  const weights = isHot ? hotOne(replicas) : world.replicas.map(() => 1)
  run(world, WARM_UP_MS, times * limit, { weights })
  const before = { exchanges: world.exchanges, admitted: world.admitted, refused: world.refused }
  run(world, MEASURED_MS, times * limit, { weights })
  const admitted = world.admitted - before.admitted
  const asked = admitted + world.refused - before.refused
  return {
    perSecond: ((world.exchanges - before.exchanges) * 1_000) / MEASURED_MS,
    /** Of what was asked for or the limit, whichever is less. */
    share: admitted / Math.min(asked, (limit * MEASURED_MS) / 60_000),
    /** The most in any span of time, beyond the limit and what refilled in it. */
    beyond: Math.max(0, world.mostBeyondRefill() - limit),
    longestWaitMs: world.longestWaitMs,
  }
}

/** How long a request is in flight: three seconds on average. */
const CALL_MS = { least: 1_000, most: 5_000 }

/** The same of requests in flight, of which twice as many come as have room. */
export const enterTogether = (replicas: number, limit: number) => {
  const world = new LeaseWorld({ seed: replicas, kind: "concurrency", limit, replicas })
  let [samples, sum, most] = [0, 0, 0]
  run(world, 30_000, 2 * limit * 20, {
    after: () => ({
      ms: CALL_MS.least + Math.floor(world.random() * (CALL_MS.most - CALL_MS.least)),
      used: 0,
    }),
    befall: () => {
      most = Math.max(most, world.inFlight)
      if (world.nowMs < 1_010_000) return
      samples += 1
      sum += world.inFlight
    },
  })
  return { share: sum / samples / limit, most, perSecond: world.exchanges / 30 }
}
