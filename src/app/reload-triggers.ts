import { unwatchFile, watchFile } from "node:fs"
import { Effect, Queue } from "effect"
import { GatewayReload, RELOAD_TOPIC } from "../config/GatewayReload.ts"
import { Settings } from "../config/Settings.ts"
import { Siblings } from "../platform/Siblings.ts"
import { OnTerminal } from "./welcome.ts"

/** Asked for rather than waited for: a file on a network, or one that is a link which Kubernetes replaces, tells nobody. */
const LOOK_EVERY_MS = 1_000

/**
 * Reloads the configuration when its file changes, upon SIGHUP (but on a terminal, which tells by it that it was closed), and
 * when another worker was told to. Faults are logged and shown by whoever reloads; here they stop nothing.
 */
export const followReloadTriggers = Effect.gen(function* () {
  const { configFile } = yield* Settings
  const siblings = yield* Siblings
  const { reload } = yield* GatewayReload
  const onTerminal = yield* OnTerminal
  const wanted = yield* Queue.sliding<"reload">(1)
  const want = () => void Queue.offerUnsafe(wanted, "reload")

  yield* siblings.listen(RELOAD_TOPIC, want)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      if (!onTerminal) process.on("SIGHUP", want)
      if (configFile === undefined) return
      watchFile(configFile, { interval: LOOK_EVERY_MS, persistent: false }, (now, before) => {
        if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino || now.size !== before.size) want()
      })
    }),
    () =>
      Effect.sync(() => {
        process.off("SIGHUP", want)
        if (configFile !== undefined) unwatchFile(configFile)
      }),
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(wanted), Effect.ignore(reload))))
})
