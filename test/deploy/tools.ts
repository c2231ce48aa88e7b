import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync } from "node:fs"
import { delimiter, join, resolve } from "node:path"

/** Tools that are no packages of npm: on the `PATH`, or where `scripts/deploy-tools.sh` puts them. */

const CACHE = "node_modules/.cache/deploy-tools"

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const skipped = (what: string) =>
  console.warn(`Skipped: tests that need ${what}, which is not there; scripts/deploy-tools.sh installs it.`)

/** The tool's path; says that its tests are skipped when there is none. */
export const findTool = (name: string): string | undefined => {
  const folders = [`${CACHE}/bin`, ...(process.env.PATH ?? "").split(delimiter)]
  const found = folders.map((folder) => resolve(folder, name)).find(isExecutable)
  if (found === undefined) skipped(name)
  return found
}

/** The folder of schemas, when it has this one. */
export const findSchemas = (name: string): string | undefined => {
  if (existsSync(join(CACHE, "schemas", name))) return join(CACHE, "schemas")
  skipped(`the schema ${name}`)
  return undefined
}

interface Ran {
  readonly status: number | null
  readonly stdout: string
  /** Both, for the message of a failed assertion. */
  readonly output: string
}

export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string } = {},
): Ran => {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
  })
  if (error !== undefined) throw error
  return { status, stdout, output: `${stdout}${stderr}` }
}
