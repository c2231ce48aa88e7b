/**
 * Loaded into the gateway (`--import`): says on stderr four times a second how long its event loop stood still at most.
 * The gauge on `/metrics` is a mean, which hides one long task among many short ones.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
setInterval(() => {
  process.stderr.write(`loop-delay ${Math.round(delay.max / 1e6)}\n`)
  delay.reset()
}, 250).unref()
