import { parentPort } from "node:worker_threads"
import { judgeSeed } from "./judge-seed.ts"

/** Judges the seeds that it is sent, one at a time. */
parentPort?.on("message", async (order) => parentPort?.postMessage(await judgeSeed(order)))
