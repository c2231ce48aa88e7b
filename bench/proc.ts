/** A process seen through Linux's `/proc`: what it used, and what it holds. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { childrenOf } from "../test/support/process-watch.ts"

export const hasProc = existsSync("/proc/self/stat")

const TICKS_PER_SECOND = 100
const TICK = 1 / TICKS_PER_SECOND

/** The fields of `/proc/PID/stat` after the name, which may hold blanks and brackets; empty for a process that ended. */
const statFields = (pid: number): ReadonlyArray<string> => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  } catch {
    return []
  }
}

/** A process with its descendants. */
const tree = (pid: number): ReadonlyArray<number> => [pid, ...childrenOf(pid).flatMap(tree)]

/**
 * User and system CPU seconds, in steps of 10 ms, that a process and its descendants have used in all their threads,
 * those of descendants that ended and were waited for included.
 */
export const cpuSeconds = (pid: number): number =>
  tree(pid).reduce((sum, each) => {
    const fields = statFields(each)
    return sum + [11, 12, 13, 14].reduce((ticks, at) => ticks + Number(fields[at] ?? 0), 0) * TICK
  }, 0)

/** CPU nanoseconds of the thread that a folder of `/proc` is of. */
const nanosIn = (folder: string): number => Number(readFileSync(`${folder}/schedstat`, "utf8").split(" ")[0])

/** CPU nanoseconds of a process in all threads that it has, exact where ticks say nothing: of a quarter of a second. */
export const cpuNanos = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    try {
      return sum + nanosIn(`/proc/${pid}/task/${thread}`)
    } catch {
      return sum
    }
  }, 0)

/** CPU seconds of a process's main thread, to the nanosecond: a session uses less in a second than a tick of `stat`. */
const threadSeconds = (pid: number): number => nanosIn(`/proc/${pid}`) / 1e9

/** CPU seconds of a PostgreSQL server and each of its sessions. */
const postgresTimes = (postmaster: number): ReadonlyMap<number, number> => {
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "utf8").trim()
  return new Map([postmaster, ...children.split(" ").map(Number)].map((pid) => [pid, threadSeconds(pid)]))
}

/** Returns what tells the CPU seconds that a PostgreSQL server has used from now on, but for sessions that ended. */
export const postgresMeter = (postmaster: number): (() => number) => {
  const before = postgresTimes(postmaster)
  return () =>
    postgresTimes(postmaster)
      .entries()
      .reduce((sum, [pid, seconds]) => sum + seconds - (before.get(pid) ?? 0), 0)
}

/** Seconds that a core was not idle, whoever used it; of a machine that does not tell it, NaN. */
export const coreSeconds = (core: number): number => {
  const line = new RegExp(`^cpu${core} (.*)$`, "m").exec(readFileSync("/proc/stat", "utf8"))?.[1]
  const [user, nice, system, , , irq, softirq, steal] = (line ?? "").split(" ").map(Number)
  return [user, nice, system, irq, softirq, steal].reduce<number>(
    (sum, ticks) => sum + (ticks ?? Number.NaN) * TICK,
    0,
  )
}

/** Returns the first descendant of a process whose command has this name; undefined when there is none. */
export const descendant = (pid: number, command: string): number | undefined =>
  tree(pid).find((each) => {
    try {
      return readFileSync(`/proc/${each}/comm`, "utf8").trim() === command
    } catch {
      return false
    }
  })

const LOOK_EVERY_MS = 250

/** Waits until a process hardly uses CPU any more (a ledger has written, garbage is collected), ten seconds at most. */
export const untilQuiet = async (pid: number): Promise<void> => {
  let quietLooks = 0
  let before = cpuSeconds(pid)
  for (let look = 0; look < 40 && quietLooks < 2; look++) {
    await setTimeout(LOOK_EVERY_MS)
    const now = cpuSeconds(pid)
    quietLooks = now - before <= 1.5 * TICK ? quietLooks + 1 : 0
    before = now
  }
}

const statusMiB = (pid: number, name: string): number =>
  tree(pid).reduce((sum, each) => {
    try {
      const found = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${each}/status`, "utf8"))
      return sum + Number(found?.[1] ?? 0) / 1024
    } catch {
      return sum
    }
  }, 0)

/** Resident MiB of a process and its descendants, now and at the highest since they started. */
export const residentMiB = (pid: number): number => statusMiB(pid, "VmRSS")
export const peakMiB = (pid: number): number => statusMiB(pid, "VmHWM")

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** Reads and writes that a process asked of the kernel, for files and sockets alike. */
export const readsAndWrites = (pid: number): { readonly reads: number; readonly writes: number } => {
  const io = readFileSync(`/proc/${pid}/io`, "utf8")
  const count = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(io)?.[1])
  return { reads: count("syscr"), writes: count("syscw") }
}
