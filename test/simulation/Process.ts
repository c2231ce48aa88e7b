import { Clock, Context, Duration, Effect, type Fiber, Logger, Metric, Random, Scheduler } from "effect"
import { Dice } from "../fuzz/Dice.ts"
import type { VirtualTime } from "../support/virtual-time.ts"

/**
 * One process under virtual time: its fibers run on a scheduler and a clock of its own, so that it can die between two
 * of their steps, and nothing of it ever runs again. Nothing outside may wait for its fibers, but by `whenDead` and
 * `observe`.
 */
export class Process {
  readonly name: string
  readonly clock: Clock.Clock
  /** Fibers that have begun and not ended. */
  fibers = 0
  /** Errors and defects that it wrote to its log. */
  readonly errors: Array<string> = []
  readonly #time: VirtualTime
  readonly #context: Context.Context<never>
  readonly #whenDead: Array<() => void> = []
  #alive = true
  /** What waits for the end of a pause. */
  #held: Array<() => void> | undefined
  #stepsLeft = Number.POSITIVE_INFINITY

  /** `aheadMs` says what its wall clock is ahead of the world's. */
  constructor(name: string, time: VirtualTime, aheadMs: () => number) {
    this.name = name
    this.#time = time
    const monotonicNanos = () => BigInt(Math.round(time.nowMs * 1e3)) * 1_000n
    const wallMs = () => time.nowMs + aheadMs()
    const wallNanos = () => BigInt(Math.round(wallMs() * 1e3)) * 1_000n
    this.clock = {
      currentTimeMillisUnsafe: wallMs,
      currentTimeMillis: Effect.sync(wallMs),
      currentTimeNanosUnsafe: wallNanos,
      currentTimeNanos: Effect.sync(wallNanos),
      monotonicTimeNanosUnsafe: monotonicNanos,
      monotonicTimeNanos: Effect.sync(monotonicNanos),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          const timer = time.at(time.nowMs + Duration.toMillis(duration), () =>
            this.#step(() => resume(Effect.void)),
          )
          return Effect.sync(() => {
            timer.wake = undefined
          })
        }),
    }
    const log = Logger.make(({ cause, logLevel, message }) => {
      if (logLevel === "Error" || logLevel === "Fatal")
        this.errors.push(`${message} ${cause.reasons.map(String)}`)
    })
    this.#context = Context.empty().pipe(
      Context.add(Clock.Clock, this.clock),
      Context.add(
        Scheduler.Scheduler,
        new Scheduler.MixedScheduler("async", (task) => time.soon(() => this.#step(task))),
      ),
      Context.add(Metric.MetricRegistry, new Map()),
      Context.add(Logger.CurrentLoggers, new Set([log])),
      Context.add(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => {
          this.fibers += 1
        },
        recordFiberEnd: () => {
          this.fibers -= 1
        },
      }),
      Context.add(Random.Random, randomOf(new Dice(name, 0))),
    )
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Runs an effect as a fiber of this process; undefined: it is dead. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> | undefined {
    if (!this.#alive) return undefined
    return Effect.runForkWith(this.#context)(effect)
  }

  /** Goes on in a step of its own, as after a callback from a socket. */
  soon(task: () => void): void {
    this.#time.soon(() => this.#step(task))
  }

  /** Dies after so many more steps. */
  dieAfter(steps: number): void {
    this.#stepsLeft = steps
    if (steps === 0) this.#die()
  }

  /** Ends, with nothing left to do. */
  exit(): void {
    this.#alive = false
  }

  /** Levels that it would show when it is asked for its metrics, by their names. */
  levels(): ReadonlyMap<string, number> {
    const levels = new Map<string, number>()
    for (const { id, state, type } of Metric.snapshotUnsafe(this.#context))
      if (type === "Gauge") levels.set(id, (levels.get(id) ?? 0) + Number(state.value))
    return levels
  }

  /** Runs nothing for a time. */
  pause(forMs: number): void {
    if (this.#held !== undefined) return
    this.#held = []
    this.#time.at(this.#time.nowMs + forMs, () => {
      const held = this.#held ?? []
      this.#held = undefined
      for (const task of held) this.#step(task)
    })
  }

  whenDead(action: () => void): void {
    this.#whenDead.push(action)
  }

  #step(task: () => void): void {
    if (!this.#alive) return
    if (this.#held !== undefined) {
      this.#held.push(task)
      return
    }
    runWithMicrotasks(task)
    this.#stepsLeft -= 1
    if (this.#stepsLeft === 0) this.#die()
  }

  #die(): void {
    if (!this.#alive) return
    this.#alive = false
    for (const action of this.#whenDead) action()
  }
}

/** Runs a task and what it puts off to the end of it: virtual time leaves no turn to the event loop. */
const runWithMicrotasks = (task: () => void): void => {
  const waiting: Array<() => void> = []
  const real = globalThis.queueMicrotask
  globalThis.queueMicrotask = (later) => void waiting.push(later)
  try {
    task()
    for (let later = waiting.shift(); later !== undefined; later = waiting.shift()) later()
  } finally {
    globalThis.queueMicrotask = real
  }
}

/** Random numbers of a fiber. */
export const randomOf = (dice: Dice): Context.Service.Shape<typeof Random.Random> => ({
  nextIntUnsafe: () => dice.below(2 ** 32),
  nextDoubleUnsafe: () => dice.next(),
})
