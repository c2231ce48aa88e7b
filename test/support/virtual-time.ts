import { Clock, Duration, Effect, type Exit, Scheduler } from "effect"
import { START_MS } from "./started-clock.ts"

interface Timer {
  readonly atMs: number
  readonly order: number
  /** Undefined once it is not waited for any more. */
  wake: (() => void) | undefined
}

/**
 * Time that passes only while every fiber waits: whatever is ready runs first, and the clock then jumps to the next
 * sleeper. Nothing waits for the event loop, so hours take seconds and the same seed makes the same run. Effects must
 * not wait for anything real (promises, sockets): a run that does is stuck, and says so.
 */
export class VirtualTime {
  #nowMs: number
  #ready: Array<() => void> = []
  /** A binary heap, earliest first. */
  readonly #timers: Array<Timer> = []
  #order = 0

  readonly clock: Clock.Clock
  readonly scheduler: Scheduler.Scheduler

  constructor(startMs: number = START_MS) {
    this.#nowMs = startMs
    const nanos = () => BigInt(Math.round(this.#nowMs * 1e3)) * 1_000n
    this.clock = {
      currentTimeMillisUnsafe: () => this.#nowMs,
      currentTimeMillis: Effect.sync(() => this.#nowMs),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          const timer = this.at(this.#nowMs + Duration.toMillis(duration), () => resume(Effect.void))
          return Effect.sync(() => {
            timer.wake = undefined
          })
        }),
    }
    this.scheduler = new Scheduler.MixedScheduler("async", (task) => this.soon(task))
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Calls `task` at this same time, after all that is ready. Returns what takes it back. */
  soon(task: () => void): () => void {
    let cancelled = false
    this.#ready.push(() => {
      if (!cancelled) task()
    })
    return () => {
      cancelled = true
    }
  }

  /** Calls `wake` at a time, after all that is ready before. */
  at(atMs: number, wake: () => void): Timer {
    const timer: Timer = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, wake }
    if (Number.isFinite(timer.atMs)) this.#push(timer)
    return timer
  }

  /** Runs an effect to its end, with all the time that it takes. */
  run<A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> {
    const fiber = Effect.runFork(
      effect.pipe(
        Effect.provideService(Clock.Clock, this.clock),
        Effect.provideService(Scheduler.Scheduler, this.scheduler),
      ),
      { scheduler: this.scheduler },
    )
    for (;;) {
      this.#drain()
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      const timer = this.#pop()
      if (timer === undefined) throw new Error("Every fiber waits, and none for a time that comes")
      if (timer.wake === undefined) continue
      this.#nowMs = timer.atMs
      timer.wake()
    }
  }

  #drain(): void {
    while (this.#ready.length > 0) {
      const tasks = this.#ready
      this.#ready = []
      for (const task of tasks) task()
    }
  }

  #push(timer: Timer): void {
    const heap = this.#timers
    let at = heap.push(timer) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above] as Timer
      if (isBefore(parent, timer)) break
      heap[at] = parent
      at = above
    }
    heap[at] = timer
  }

  #pop(): Timer | undefined {
    const heap = this.#timers
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      const right = heap[below + 1]
      if (right !== undefined && isBefore(right, heap[below] as Timer)) below += 1
      const child = heap[below] as Timer
      if (isBefore(last, child)) break
      heap[at] = child
      at = below
    }
    heap[at] = last
    return first
  }
}

const isBefore = (one: Timer, other: Timer): boolean =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
