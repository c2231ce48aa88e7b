import type { World } from "../world.ts"

/** What a section gets: the world, how long and how often, and a line for progress. */
export interface Run {
  readonly world: World
  readonly rounds: number
  readonly seconds: number
  readonly say: (line: string) => void
}
