import { setFlagsFromString } from "node:v8"
import { Cause, Effect, type Scope } from "effect"

/** A terminal tells the whole process group and npm tells its child: one Ctrl-C arrives twice. */
const SAME_SIGNAL_MS = 1_000

/**
 * What ends the gateway besides its own main fiber, for as long as the scope lasts.
 *
 * - An error that was thrown outside of every request and fiber leaves a process of which nobody knows what still works.
 *   It is logged and ends the process with 1 at once, for whoever supervises it to start another.
 * - A first stop signal is the runtime's, which ends everything in order. A second one is from somebody who does not want
 *   to wait for that, and ends the process with 1 at once.
 *
 * Neither loses anything that a `kill -9` would not lose.
 */
export const processPolicy: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  let toldAtMs: number | undefined

  const onException = (error: unknown) => {
    runSync(Effect.logFatal("an error outside of every request ends the process", Cause.die(error)))
    process.exit(1)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    toldAtMs ??= performance.now()
    if (performance.now() - toldAtMs < SAME_SIGNAL_MS) return
    runSync(Effect.logWarning(`stopped at once by a second signal: ${signal}`))
    process.exit(1)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      // V8's guess of which objects live long is wrong for a service: docs/decisions/0019-pretenuring.md.
      setFlagsFromString("--no-allocation-site-pretenuring")
      // Rejections that nobody handles come here too.
      process.on("uncaughtException", onException)
      for (const signal of STOP_SIGNALS) process.on(signal, onSignal)
    }),
    () =>
      Effect.sync(() => {
        process.off("uncaughtException", onException)
        for (const signal of STOP_SIGNALS) process.off(signal, onSignal)
      }),
  )
})

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const
