import { assert, describe, it } from "@effect/vitest"
import { codingFor } from "../../src/http/fixed-answer.ts"

describe("the coding of a fixed answer", () => {
  it.each([
    [undefined, "identity"],
    ["", "identity"],
    ["identity", "identity"],
    ["deflate, zstd", "identity"],
    ["gzip", "gzip"],
    ["GZIP", "gzip"],
    ["br", "br"],
    ["gzip, deflate, br", "br"],
    ["br;q=0.5, gzip;q=0.8", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["gzip;q=0", "identity"],
    ["*", "br"],
    ["*;q=0.1, br;q=0", "gzip"],
    ["*;q=0", "identity"],
    ["gzip;q=0.5, identity", "identity"],
    ["gzip ; q=1.0 , identity;q=0.5", "gzip"],
    ["gzip;q=much", "identity"],
  ])("for %j is %s", (header, coding) => {
    assert.strictEqual(codingFor(header), coding)
  })
})
