import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, readdir, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const UNFINISHED = "postgres-unfinished-"
const script = fileURLToPath(new URL("./create-cluster-process.ts", import.meta.url))

/**
 * Makes the files of a new database in `clusterDir` unless it has one. They appear there complete or not at all: a
 * process that is killed leaves a directory of another name beside it, which the next one removes. The caller holds the
 * lock on the parent directory, which exists.
 */
export async function createCluster(clusterDir: string, signal: AbortSignal): Promise<void> {
  if (existsSync(join(clusterDir, "PG_VERSION"))) return
  const parent = dirname(clusterDir)
  for (const name of await readdir(parent)) {
    if (name.startsWith(UNFINISHED)) await rm(join(parent, name), { recursive: true, force: true })
  }
  const unfinished = await mkdtemp(join(parent, UNFINISHED))
  await promisify(execFile)(process.execPath, [script, unfinished], { signal })
  await rename(unfinished, clusterDir)
}
