import type { CallMode } from "../../src/domain/Chat.ts"
import { clairvoyant } from "./clairvoyant.ts"
import { makeDice } from "./dice.ts"
import { playGateway } from "./gateway.ts"
import { type Policy, play, type Result, sumUp } from "./play.ts"
import { rivals } from "./rivals.ts"
import { Run, type World } from "./world.ts"
import { drawWorld, worlds } from "./worlds.ts"

/** One world with one seed, for everybody. */
export interface Game {
  /** Name of a world, or the seed that draws one. */
  readonly world: string | number
  readonly mode: CallMode
  readonly seed: number
  readonly requests: number
}

export const OPTIMUM = "clairvoyant"
export const OWN = "gateway"

const worldOf = (world: string | number): World => {
  if (typeof world === "number") return drawWorld(world, makeDice(world))
  const named = worlds.find(({ name }) => name === world)
  if (named === undefined) throw new Error(`There is no world "${world}"`)
  return named
}

/** Plays a game with the optimum, the gateway and every rival: all are asked the same, and each has the same luck with a candidate. */
export const compare = ({ mode, requests, seed, world: of }: Game): Readonly<Record<string, Result>> => {
  const world = worldOf(of)
  const asks = world.requests(makeDice(seed), requests)
  const results: Record<string, Result> = {}
  const add = (name: string, serve: (run: Run) => ReturnType<typeof play>): void => {
    const run = new Run(world, asks, mode, seed)
    results[name] = sumUp(run, serve(run))
  }
  const playedBy = (policy: (run: Run) => Policy) => (run: Run) => play(run, policy)
  add(OPTIMUM, playedBy(clairvoyant))
  add(OWN, (run) => playGateway(run))
  for (const [name, rival] of Object.entries(rivals)) add(name, playedBy(rival))
  return results
}
