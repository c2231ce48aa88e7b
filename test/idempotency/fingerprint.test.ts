import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { fingerprint } from "../../src/idempotency/fingerprint.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("fingerprint", () => {
  it("is SHA-256 over method, path and the body's bytes", () => {
    assert.strictEqual(
      hex(fingerprint("POST", "/infer", Buffer.from('{"a":1}'))),
      "c79c24191c5d13f93e433d3d1c3f4fc2ed55de1b224870381bda4423bbd5d053",
    )
  })

  it("differs when method, path or any byte of the body differs", () => {
    const request = fc.tuple(
      fc.constantFrom("POST", "PUT", "P"),
      fc.constantFrom("/infer", "/infer/", "/v1/chat/completions", ""),
      fc.uint8Array({ maxLength: 40 }),
    )
    fc.assert(
      fc.property(request, request, (a, b) => {
        const same = a[0] === b[0] && a[1] === b[1] && Buffer.compare(a[2], b[2]) === 0
        assert.strictEqual(hex(fingerprint(...a)) === hex(fingerprint(...b)), same)
      }),
    )
  })

  it("does not read JSON: another spelling of one value is another body", () => {
    const print = (body: string) => hex(fingerprint("POST", "/infer", Buffer.from(body)))
    assert.notStrictEqual(print('{"a":1,"b":2}'), print('{"b":2,"a":1}'))
    assert.notStrictEqual(print('{"a":1}'), print('{"a": 1}'))
  })

  it("differs when fields differ that say how a body is meant", () => {
    const print = (...headers: ReadonlyArray<string>) =>
      hex(fingerprint("POST", "/v1/messages", Buffer.from("{}"), headers))
    const printed = [print(), print("v", "1"), print("v", "2"), print("v", "1", "b", "x")]
    assert.strictEqual(new Set(printed).size, printed.length)
  })

  it("keeps the borders between its parts", () => {
    const empty = new Uint8Array()
    assert.notStrictEqual(
      hex(fingerprint("POST", "/a", Buffer.from("b\n"))),
      hex(fingerprint("POST", "/ab\n", empty)),
    )
    assert.notStrictEqual(hex(fingerprint("POST", "/a", empty)), hex(fingerprint("POS", "T/a", empty)))
  })
})
