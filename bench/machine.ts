/** The machine that numbers were taken on, for whoever reads them. */
import { execFileSync } from "node:child_process"
import { cpus, loadavg, release, totalmem } from "node:os"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  readonly commit: string
  /** Load average of the last minute before the run: what else was going on. */
  readonly loadBefore: number
}

const commit = (): string => {
  try {
    const git = (...args: ReadonlyArray<string>) =>
      execFileSync("git", ["-C", import.meta.dirname, ...args], { stdio: ["ignore", "pipe", "ignore"] })
        .toString()
        .trim()
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : ", changed"}`
  } catch {
    return "unknown"
  }
}

export const machine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `${process.platform} ${release()}`,
  node: process.version,
  commit: commit(),
  loadBefore: loadavg()[0] ?? Number.NaN,
})

export const machineLine = ({ cpu, cores, memoryGiB, node, commit }: Machine): string =>
  `${cpu}, ${cores} cores, ${memoryGiB} GiB, Node ${node}, commit ${commit}`
