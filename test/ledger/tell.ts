import { writeSync } from "node:fs"

/**
 * One line on the standard output, with the kernel when it returns: what a stream still holds would die with the
 * process. A reader that is slow is waited for.
 */
export const tell = (line: string): void => {
  for (;;) {
    try {
      writeSync(1, `${line}\n`)
      return
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error
    }
  }
}
