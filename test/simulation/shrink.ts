import { setImmediate } from "node:timers/promises"
import { judge } from "./judge.ts"
import type { Changes } from "./run.ts"
import type { World, WorldEvent } from "./World.ts"

/**
 * Takes events out of a world for as long as it goes on to break a law, by delta debugging: first in halves, then in
 * ever smaller parts. What is left is needed, each event of it.
 */
export const shrink = async (
  world: World,
  law: string,
  {
    changes,
    onProgress = () => {},
  }: { readonly changes?: Changes; readonly onProgress?: (events: number) => void } = {},
): Promise<World> => {
  const breaks = async (events: ReadonlyArray<WorldEvent>): Promise<boolean> => {
    // What the readers of streams left for the next turn is let go.
    await setImmediate()
    const { violations } = judge({ ...world, events }, { changes, twice: law === "determinism" })
    return violations.some((violation) => violation.law === law)
  }
  let events = world.events
  let parts = 2
  while (events.length > 1) {
    const size = Math.ceil(events.length / parts)
    let smaller: ReadonlyArray<WorldEvent> | undefined
    for (let from = 0; from < events.length && smaller === undefined; from += size) {
      const without = [...events.slice(0, from), ...events.slice(from + size)]
      if (await breaks(without)) smaller = without
    }
    if (smaller !== undefined) {
      events = smaller
      parts = Math.max(2, parts - 1)
      onProgress(events.length)
    } else if (size === 1) break
    else parts = Math.min(events.length, parts * 2)
  }
  return { ...world, events }
}
