import cluster from "node:cluster"
import { Context, Deferred, Effect, Exit, Layer, type Scope } from "effect"

/** What a worker says to its supervisor, which passes it on and knows none of the topics. */
export type FromWorker =
  | { readonly gateway: "tell"; readonly topic: string; readonly body: unknown }
  /** `own` is the asker's own answer. */
  | { readonly gateway: "ask"; readonly topic: string; readonly id: number; readonly own: unknown }
  | { readonly gateway: "answer"; readonly id: number; readonly body: unknown }

/** What it hears from there. */
export type ToWorker =
  | { readonly gateway: "tell"; readonly topic: string; readonly body: unknown }
  | { readonly gateway: "question"; readonly topic: string; readonly id: number }
  | { readonly gateway: "answers"; readonly id: number; readonly bodies: ReadonlyArray<unknown> }

/** The supervisor does not wait so long for those who do not answer. */
const ANSWERS_WITHIN = "3 seconds"

/** The processes that serve the same port (`WORKERS`). A process alone talks to itself. */
export class Siblings extends Context.Service<
  Siblings,
  {
    /** Tells all others; who is not there does not hear of it. */
    readonly tell: (topic: string, body: unknown) => void
    /** Hears what others tell, for as long as the scope lasts. One listener for each topic. */
    readonly listen: (topic: string, hear: (body: unknown) => void) => Effect.Effect<void, never, Scope.Scope>
    /**
     * Makes a question of a topic that every process has the same answer to: asks all of them, and returns this one's answer
     * and the others'. For one that does not answer within a second its last answer counts.
     */
    readonly question: (
      topic: string,
      answer: Effect.Effect<unknown>,
    ) => Effect.Effect<Effect.Effect<ReadonlyArray<unknown>>, never, Scope.Scope>
  }
>()("gateway/platform/Siblings") {
  static readonly layerAlone = Layer.succeed(Siblings, {
    tell: () => {},
    listen: () => Effect.void,
    question: (_, answer) => Effect.succeed(Effect.map(answer, (own) => [own])),
  })

  static readonly layerWorker = Layer.effect(
    Siblings,
    Effect.suspend(() => makeWorker()),
  )

  static readonly layer = Layer.suspend(() => (cluster.isWorker ? Siblings.layerWorker : Siblings.layerAlone))
}

const makeWorker = Effect.fnUntraced(function* () {
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const listeners = new Map<string, (body: unknown) => void>()
  const answers = new Map<string, Effect.Effect<unknown>>()
  const asked = new Map<number, Deferred.Deferred<ReadonlyArray<unknown>>>()
  let questions = 0

  const say = (message: FromWorker): void => {
    // A supervisor that is gone takes this process with it.
    if (process.connected === true) process.send?.(message, undefined, undefined, () => {})
  }
  const hear = (message: ToWorker): void => {
    switch (message.gateway) {
      case "tell":
        listeners.get(message.topic)?.(message.body)
        return
      case "answers": {
        const waiting = asked.get(message.id)
        if (waiting !== undefined) Deferred.doneUnsafe(waiting, Exit.succeed(message.bodies))
        return
      }
      case "question": {
        const { id, topic } = message
        const answer = answers.get(topic)
        if (answer !== undefined) {
          runFork(Effect.map(answer, (body) => say({ gateway: "answer", id, body })))
        }
      }
    }
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("message", hear)),
    () => Effect.sync(() => process.off("message", hear)),
  )

  const registered = <A>(map: Map<string, A>, topic: string, value: A) =>
    Effect.acquireRelease(
      Effect.sync(() => map.set(topic, value)),
      () => Effect.sync(() => map.delete(topic)),
    )

  const ask = (topic: string, own: unknown): Effect.Effect<ReadonlyArray<unknown>> =>
    Effect.suspend(() => {
      questions += 1
      const id = questions
      const waiting = Deferred.makeUnsafe<ReadonlyArray<unknown>>()
      asked.set(id, waiting)
      say({ gateway: "ask", topic, id, own })
      return Deferred.await(waiting).pipe(
        Effect.timeoutOrElse({ duration: ANSWERS_WITHIN, orElse: () => Effect.succeed([own]) }),
        Effect.ensuring(Effect.sync(() => asked.delete(id))),
      )
    })

  return Siblings.of({
    tell: (topic, body) => say({ gateway: "tell", topic, body }),
    listen: (topic, listener) => Effect.asVoid(registered(listeners, topic, listener)),
    question: (topic, answer) =>
      Effect.as(
        registered(answers, topic, answer),
        Effect.flatMap(answer, (own) => ask(topic, own)),
      ),
  })
})
