/** Loaded into the gateway (`--import`): on SIGUSR2 its wall clock steps to so many milliseconds ahead as CLOCK_FILE says. */
import { readFileSync } from "node:fs"

const RealDate = Date
const realNow = Date.now
let aheadMs = 0

RealDate.now = () => realNow() + aheadMs
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [target.now()] : args, newTarget),
})

process.on("SIGUSR2", () => {
  aheadMs = Number(readFileSync(process.env.CLOCK_FILE ?? "", "utf8"))
})
