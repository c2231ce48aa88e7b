import { readFileSync } from "node:fs"

/**
 * Loaded into a process under test (`--import`): on SIGUSR2 it does what the file that FAULT_FILE names says.
 * `clock N`: from now on the wall clock is N milliseconds off. `rejection` and `exception`: as a bug somewhere outside of
 * every request would.
 */
const now = Date.now.bind(Date)

process.on("SIGUSR2", () => {
  const [what, by] = readFileSync(process.env.FAULT_FILE ?? "", "utf8").split(" ")
  if (what === "clock") Date.now = () => now() + Number(by)
  if (what === "rejection") void Promise.reject(new Error("nobody awaits this"))
  if (what === "exception") {
    setImmediate(() => {
      throw new Error("nobody catches this")
    })
  }
})
