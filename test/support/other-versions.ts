import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Versions of the gateway besides this one, each in a folder of its own, with the packages of this one. */

const root = join(import.meta.dirname, "../..")

export interface OtherVersion {
  readonly main: string
  /** Number of the latest migration that it knows. */
  readonly schema: number
  readonly remove: () => void
}

const git = (...args: ReadonlyArray<string>): string =>
  execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim()

const migrationsIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(folder, "migrations"))
    .filter((file) => file.endsWith(".ts"))
    .toSorted()

/** Makes the folder, and what `fill` puts in it. */
const makeVersion = (fill: (folder: string) => void): OtherVersion => {
  const folder = mkdtempSync(join(tmpdir(), "gateway-version-"))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    fill(folder)
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
    const schema = Number.parseInt(migrationsIn(folder).at(-1) ?? "", 10)
    return { main: join(folder, "src/main.ts"), schema, remove }
  } catch (cause) {
    remove()
    throw cause
  }
}

/**
 * Makes the state before the newest migration, from the history of this clone; says why not where it has none, or that state
 * other packages.
 */
export const previousVersion = (): OtherVersion | string => {
  try {
    const newest = migrationsIn(root).at(-1) ?? ""
    const added = git("log", "-1", "--format=%H", "--diff-filter=A", "--", `migrations/${newest}`)
    // One that is not committed yet comes after all that is.
    const commit = git("rev-parse", "--verify", added === "" ? "HEAD" : `${added}^`)
    const packages = (text: string) =>
      (JSON.parse(text) as { dependencies: Record<string, string> }).dependencies
    const present = packages(readFileSync(join(root, "package.json"), "utf8"))
    const others = Object.entries(packages(git("show", `${commit}:./package.json`))).filter(
      ([name, version]) => present[name] !== version,
    )
    if (others.length > 0)
      return `${commit} has other packages: ${others.map((each) => each.join(" ")).join(", ")}`
    return makeVersion((folder) => {
      const archive = join(folder, "version.tar")
      git("archive", "--format=tar", `--output=${archive}`, commit, "src", "migrations", "package.json")
      execFileSync("tar", ["-xf", archive, "-C", folder])
    })
  } catch (cause) {
    return `this is no clone with the history of its newest migration (${String(cause).split("\n")[0]})`
  }
}

const replaced = (text: string, part: string, by: string): string => {
  if (text.split(part).length !== 2) throw new Error(`not there once: ${part}`)
  return text.replace(part, () => by)
}

/** Makes this version with one more migration, whose default export is in `source`. */
export const nextVersion = (source: string): OtherVersion =>
  makeVersion((folder) => {
    for (const part of ["src", "migrations", "package.json"]) {
      cpSync(join(root, part), join(folder, part), { recursive: true })
    }
    writeFileSync(join(folder, "migrations/9000_be_next.ts"), source)
    const file = join(folder, "src/database/migrations.ts")
    const text = readFileSync(file, "utf8")
    const record = "export const migrations = {"
    const end = text.indexOf("\n}", text.indexOf(record))
    const longer = `${text.slice(0, end)}\n  "9000_be_next": beNext,${text.slice(end)}`
    writeFileSync(
      file,
      replaced(longer, record, `import beNext from "../../migrations/9000_be_next.ts"\n${record}`),
    )
  })
