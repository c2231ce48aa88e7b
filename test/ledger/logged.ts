import { Effect, Logger } from "effect"

/** Messages and annotations of the log while `effect` runs. */
export const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => lines.push(JSON.stringify(message)))
  return Effect.map(Effect.provide(effect, Logger.layer([logger])), (result) => ({ lines, result }))
}

export const quiet = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(logged(effect), ({ result }) => result)
