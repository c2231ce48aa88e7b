import { Deferred, Effect, Exit, Queue, type Scope } from "effect"

/** Ids of one statement. */
const MAX_BATCH = 500
/** Of the three connections of keys one is left for polls and operators. */
const MAX_STATEMENTS = 2

/**
 * Returns a look-up by id that asks for many in one statement: what comes while statements run is in the next. So a
 * thousand keys after a restart are a few statements, and a flood of strangers no more of them at a time. `findAll` has a
 * deadline, answers each id by itself, and leaves out those that do not exist.
 */
export const batchedFind = <A, E>(
  findAll: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Exit.Exit<A, E>>, E>,
): Effect.Effect<(id: string) => Effect.Effect<A | undefined, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* Queue.bounded<{
      readonly id: string
      readonly result: Deferred.Deferred<A | undefined, E>
    }>(MAX_BATCH)

    const answerBatch = Effect.gen(function* () {
      const batch = yield* Queue.takeBetween(queue, 1, MAX_BATCH)
      const found = yield* Effect.exit(findAll([...new Set(batch.map(({ id }) => id))]))
      for (const { id, result } of batch) {
        const answer: Exit.Exit<A | undefined, E> = Exit.isSuccess(found)
          ? (found.value.get(id) ?? Exit.succeed(undefined))
          : Exit.failCause(found.cause)
        Deferred.doneUnsafe(result, answer)
      }
    })
    yield* Effect.forEach(Array.from({ length: MAX_STATEMENTS }), () =>
      Effect.forkScoped(Effect.forever(answerBatch), { startImmediately: true }),
    )

    return (id) =>
      Effect.suspend(() => {
        const result = Deferred.makeUnsafe<A | undefined, E>()
        return Effect.andThen(Queue.offer(queue, { id, result }), Deferred.await(result))
      })
  })
