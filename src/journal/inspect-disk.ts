import { access, constants, statfs } from "node:fs/promises"
import { codeOf } from "../platform/error-code.ts"

export interface JournalDiskState {
  /** Bytes that are free for this user; undefined where the file system does not say. */
  readonly freeBytes: number | undefined
  /** Code of the system call that would not let this user write there. */
  readonly fault: string | undefined
}

/** Looks at the disk under a directory; undefined when that is not there. Changes nothing. */
export const inspectDisk = async (directory: string): Promise<JournalDiskState | undefined> => {
  try {
    const { bavail, blocks, bsize } = await statfs(directory)
    await access(directory, constants.W_OK)
    return { freeBytes: blocks > 0 ? bavail * bsize : undefined, fault: undefined }
  } catch (cause) {
    return codeOf(cause) === "ENOENT" ? undefined : { freeBytes: undefined, fault: codeOf(cause) }
  }
}
