import { setTimeout } from "node:timers/promises"
import type { PostgresServer } from "../support/postgres-server.ts"
import type { Replica } from "../support/Replica.ts"
import { scaled } from "../support/slowness.ts"
import type { Random } from "./Random.ts"

/** What is killed, when, and how long it stays dead: chosen by the seed. */

export interface Scene {
  readonly replicas: ReadonlyArray<Replica>
  readonly postgres: PostgresServer
  readonly random: Random
  /** Answers that clients have so far. */
  readonly delivered: () => number
  readonly say: (what: string) => void
}

type Disaster = (scene: Scene) => Promise<void>

const anyOf = ({ replicas, random }: Scene): Replica => {
  const replica = replicas[random.between(0, replicas.length - 1)]
  if (replica === undefined) throw new Error("no replica")
  return replica
}

const nameOf = ({ replicas }: Scene, replica: Replica) => `gateway ${replicas.indexOf(replica) + 1}`

const killGateway = async (scene: Scene, replica: Replica, downMs: number): Promise<void> => {
  scene.say(`kill ${nameOf(scene, replica)}, back after ${downMs} ms`)
  await replica.kill()
  await setTimeout(downMs)
  await replica.start()
}

const disasters: Readonly<Record<string, Disaster>> = {
  gateway: (scene) => killGateway(scene, anyOf(scene), scene.random.between(0, 600)),

  twice: async (scene) => {
    const replica = anyOf(scene)
    await killGateway(scene, replica, 0)
    // While it adopts what its last life left, or ships it.
    await setTimeout(scene.random.between(0, 400))
    await killGateway(scene, replica, 0)
  },

  database: async (scene) => {
    const downMs = scene.random.between(200, 2000)
    scene.say(`kill PostgreSQL, back after ${downMs} ms`)
    await scene.postgres.kill()
    await setTimeout(downMs)
    await scene.postgres.start()
  },

  everything: async (scene) => {
    const { postgres, random, replicas, say } = scene
    const databaseDownMs = random.between(0, 1200)
    const downMs = replicas.map(() => random.between(0, 1200))
    say(`kill PostgreSQL (back after ${databaseDownMs} ms) and all gateways (after ${downMs.join(", ")} ms)`)
    await Promise.all([postgres.kill(), ...replicas.map((replica) => replica.kill())])
    await Promise.all([
      setTimeout(databaseDownMs).then(postgres.start),
      ...replicas.map(async (replica, i) => {
        await setTimeout(downMs[i])
        await replica.start()
      }),
    ])
  },

  shipping: async (scene) => {
    const { postgres, random, say } = scene
    const [outageMs, shippingMs] = [random.between(800, 1800), random.between(0, 250)]
    say(`kill PostgreSQL, back after ${outageMs} ms, and ${shippingMs} ms into the shipping of the backlog:`)
    await postgres.kill()
    await setTimeout(outageMs)
    await postgres.start()
    await setTimeout(shippingMs)
    await killGateway(scene, anyOf(scene), 0)
  },

  outage: async (scene) => {
    const { postgres, random, say } = scene
    const [beforeMs, afterMs] = [random.between(200, 900), random.between(200, 900)]
    say(`kill PostgreSQL, back ${afterMs} ms after, ${beforeMs} ms into the outage:`)
    await postgres.kill()
    await setTimeout(beforeMs)
    await killGateway(scene, anyOf(scene), random.between(0, 400))
    await setTimeout(afterMs)
    await postgres.start()
  },
}

/** Until clients have so many answers more: what is struck is at work, however slow the machine. */
const untilDelivered = async ({ delivered, random, say }: Scene, more: number): Promise<void> => {
  const [wanted, giveUpAt] = [delivered() + more, performance.now() + scaled(15_000)]
  while (delivered() < wanted && performance.now() < giveUpAt) await setTimeout(10)
  if (delivered() < wanted) say(`only ${delivered() - wanted + more} answers since the last disaster`)
  await setTimeout(random.between(0, 700))
}

/** Each kind of disaster once, in an order of the seed's; again and again for at least so long. */
export const strike = async (scene: Scene, ms: number): Promise<number> => {
  const until = performance.now() + ms
  let struck = 0
  do {
    for (const name of scene.random.shuffled(Object.keys(disasters))) {
      await untilDelivered(scene, 25)
      await disasters[name]?.(scene)
      struck += 1
    }
  } while (performance.now() < until)
  await untilDelivered(scene, 25)
  return struck
}

/** The database goes, answers go out all the same, and then the gateways that gave them. */
export const strikeBackwards = async (scene: Scene): Promise<number> => {
  await untilDelivered(scene, 25)
  scene.say("kill PostgreSQL")
  await scene.postgres.kill()
  await untilDelivered(scene, 25)
  scene.say("kill all gateways")
  await Promise.all(scene.replicas.map((replica) => replica.kill()))
  await scene.postgres.start()
  await Promise.all(scene.replicas.map((replica) => replica.start()))
  return 2
}
