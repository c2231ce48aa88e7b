import { Effect } from "effect"
import { afterAll } from "vitest"
import { dropCreated } from "./Databases.ts"

// After everything that the file itself has to do at its end.
afterAll(() => Effect.runPromise(dropCreated))
