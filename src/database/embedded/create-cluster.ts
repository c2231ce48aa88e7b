import { execFile } from "node:child_process"
import { mkdtemp, readdir, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { moduleBeside } from "../../platform/module-beside.ts"

const UNFINISHED = "postgres-unfinished-"
const script = fileURLToPath(moduleBeside(import.meta.url, "create-cluster-process"))

/**
 * Makes the files of a new database in `clusterDir`, which is empty or not there. They appear there complete or not at
 * all: a process that is killed leaves a directory of another name beside it, which the next one removes. The caller
 * holds the lock on the parent directory, which exists.
 */
export async function createCluster(clusterDir: string, signal: AbortSignal): Promise<void> {
  const parent = dirname(clusterDir)
  for (const name of await readdir(parent)) {
    if (!name.startsWith(UNFINISHED)) continue
    // The one who makes it may outlive its gateway by a second, and still put files there.
    await rm(join(parent, name), { recursive: true, force: true, maxRetries: 10 })
  }
  const unfinished = await mkdtemp(join(parent, UNFINISHED))
  await promisify(execFile)(process.execPath, [script, unfinished], { signal })
  await rename(unfinished, clusterDir)
}
