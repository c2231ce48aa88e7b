import { chmod, rm } from "node:fs/promises"
import { parentPort, workerData } from "node:worker_threads"
import { PGlite } from "@electric-sql/pglite"
import type { EmbeddedWorkerData } from "./Embedded.ts"
import { listen } from "./wire-server.ts"

/**
 * The thread of the embedded database: queries block it and not the event loop that serves requests. Says "ready"
 * when the socket answers; any message asks it to stop. A fault of the backend ends the thread, which cuts every
 * connection, and the owner hears of it.
 */

// Node types worker data as `any`; the only sender is `Embedded.open`.
const { clusterDir, socketPath, transactionIdleMs, closeGraceMs }: EmbeddedWorkerData = workerData

const fail = (cause: unknown) => {
  setImmediate(() => {
    throw cause
  })
}

// PostgreSQL's own default, 128 MB, takes 120 MiB from the start; what does not fit is in the kernel's cache.
const database = await PGlite.create({
  dataDir: clusterDir,
  startParams: [...PGlite.defaultStartParams, "-c", "shared_buffers=32MB"],
})
// Left by a killed process; the caller holds the lock on the directory, so nobody listens on it.
await rm(socketPath, { force: true })
const server = await listen({
  path: socketPath,
  execute: (messages) => database.execProtocolRawSync(messages),
  onFatal: fail,
  transactionIdleMs,
})
await chmod(socketPath, 0o600)

parentPort?.once("message", async () => {
  await server.close(closeGraceMs)
  await database.close()
  process.exit(0)
})
parentPort?.postMessage("ready")
