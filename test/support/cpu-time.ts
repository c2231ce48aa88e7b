/** Milliseconds of this thread's own, which others that run meanwhile do not lengthen. */
export const cpuMs = (run: () => unknown): number => {
  const before = process.threadCpuUsage()
  run()
  const { system, user } = process.threadCpuUsage(before)
  return (user + system) / 1000
}
