import { hostname, userInfo } from "node:os"
import type { Actor } from "../audit/Actor.ts"
import { oneLine } from "../domain/one-line.ts"

const MAX_LENGTH = 128

/** A container may run as a user that its machine has no name for. */
const userName = (): string => {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? "unknown")
  }
}

/** Returns who runs this process: the operating system's user and the machine. */
export const commandLineActor = (): Actor => ({
  name: oneLine(`cli:${userName()}@${hostname()}`).slice(0, MAX_LENGTH),
  via: "cli",
})
