import { describe } from "vitest"
import { holds } from "./hold.ts"

describe("what providers do", () => {
  holds(({ subject }) => subject === "providers")
})
