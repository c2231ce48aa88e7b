import { describe } from "vitest"
import { holds } from "./hold.ts"

describe("faults with a promise", () => {
  holds(({ subject }) => subject === "faults")
})
