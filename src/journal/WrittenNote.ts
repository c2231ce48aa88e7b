import { closeSync, openSync, readFileSync, writeSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"

/** File beside the segments of a process. */
export const WRITTEN_NOTE = "written"

/** Named anew by each start of the machine; undefined where it has no such name. */
const bootId = (): string | undefined => {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()
  } catch {
    return undefined
  }
}

/**
 * Notes once a second how many records the growing segment has, so that an end which is missing after a `kill -9` has a
 * number. It holds as long as the machine runs: what processes wrote is then seen in the order in which they wrote it. A
 * loss of power keeps no order between two files, so a note from before the machine's start says nothing.
 */
export class WrittenNote {
  readonly #path: string
  readonly #boot = bootId()
  #file: number | undefined
  #records = 0

  constructor(directory: string) {
    this.#path = join(directory, WRITTEN_NOTE)
  }

  /** False: it could not be written, and says what it said before. */
  write(segment: string, records: number): boolean {
    if (this.#boot === undefined) return true
    try {
      this.#file ??= openSync(this.#path, "w", 0o600)
      // Always of one length, so that it takes no room that a full disk does not have.
      const text = `${this.#boot} ${segment} ${String(records).padStart(10)}\n`
      if (writeSync(this.#file, text, 0, "latin1") < text.length) return false
      this.#records = records
      return true
    } catch {
      return false
    }
  }

  /** To be called before the segment is emptied; false: it must not be. */
  forget(segment: string): boolean {
    return this.#records === 0 || this.write(segment, 0)
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

/** Reads what a process noted since the machine's start. */
export const readWrittenNote = async (
  directory: string,
): Promise<{ readonly segment: string; readonly records: number } | undefined> => {
  const text = await readFile(join(directory, WRITTEN_NOTE), "latin1").catch(() => "")
  const [, boot, segment, records] = /^(\S+) (\S+) +(\d+)\n$/.exec(text) ?? []
  return segment !== undefined && boot === bootId() ? { segment, records: Number(records) } : undefined
}
