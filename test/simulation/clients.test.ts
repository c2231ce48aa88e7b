import { describe } from "vitest"
import { holds } from "./hold.ts"

describe("what clients do", () => {
  holds(({ subject }) => subject === "clients")
})
