import { parentPort } from "node:worker_threads"
import { compare, type Game } from "./compare.ts"

/** Plays one game after another for the thread that sends them. */
parentPort?.on("message", (game: Game) => parentPort?.postMessage(compare(game)))
