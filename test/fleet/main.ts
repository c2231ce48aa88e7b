/** `npm run fleet`: simulates fleets of up to 100 replicas, and writes what they come to into docs/scaling.md. */
import { readFileSync, writeFileSync } from "node:fs"
import { Effect } from "effect"
import { PAGE, withTables } from "./page.ts"

writeFileSync(PAGE, await Effect.runPromise(withTables(readFileSync(PAGE, "utf8"))))
