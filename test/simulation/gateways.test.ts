import { describe } from "vitest"
import { holds } from "./hold.ts"

describe("what befalls gateways and their database", () => {
  holds(({ subject }) => subject === "gateways")
})
