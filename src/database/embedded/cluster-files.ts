import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"

/** The major version of PostgreSQL that PGlite is: it reads the files of no other. */
const POSTGRES_MAJOR = "18"

/** What the database is not opened without, tried one by one; others it makes itself. */
const FILES = ["PG_VERSION", "global/pg_control", "global/pg_filenode.map", "postgresql.conf", "pg_hba.conf"]
const FULL_FOLDERS = ["base/1", "base/5", "pg_multixact/members", "pg_multixact/offsets", "pg_xact"]
/** They may hold nothing, and are then lost by what copies files alone. */
const FOLDERS = ["pg_commit_ts", "pg_notify", "pg_replslot", "pg_twophase"]

const statOf = (path: string) => statSync(path, { throwIfNoEntry: false })

const isEmptyFolder = (path: string): boolean =>
  statOf(path)?.isDirectory() === true && readdirSync(path).length === 0

const hasLog = (path: string): boolean =>
  statOf(path) !== undefined && readdirSync(path).some((name) => /^[0-9A-F]{24}$/.test(name))

/** Tells whether there is something in a database's place, whole or not, or what cannot be looked at. */
export const isOccupied = (clusterDir: string): boolean => {
  try {
    return statOf(clusterDir) !== undefined && !isEmptyFolder(clusterDir)
  } catch {
    return true
  }
}

/**
 * Returns what keeps the files from being a whole database of this version, or undefined. PGlite takes a directory
 * without `PG_VERSION` for a new one, and aborts without a reason where other files are missing.
 */
export const clusterFault = (clusterDir: string): string | undefined => {
  const at = (name: string) => join(clusterDir, name)
  const missing = [
    // A copy that was interrupted may have made a file and put nothing in it.
    ...FILES.filter((name) => !((statOf(at(name))?.size ?? 0) > 0)),
    ...FULL_FOLDERS.filter((name) => statOf(at(name)) === undefined || isEmptyFolder(at(name))),
    ...(hasLog(at("pg_wal")) ? [] : ["files of pg_wal"]),
    ...FOLDERS.filter((name) => statOf(at(name)) === undefined),
  ]
  if (missing.length > 0) return `${missing.join(", ")} missing`
  const version = readFileSync(at("PG_VERSION"), "utf8").trim()
  return version === POSTGRES_MAJOR
    ? undefined
    : `of PostgreSQL ${version}, while this gateway runs ${POSTGRES_MAJOR}`
}
