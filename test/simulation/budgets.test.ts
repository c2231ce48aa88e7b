import { describe } from "vitest"
import { holds } from "./hold.ts"

describe("what clients may spend", () => {
  holds(({ subject }) => subject === "budgets")
})
