import { assert, describe, it } from "@effect/vitest"
import { makeKeyGuard } from "../../../src/providers/http/key-guard.ts"

const key = 'sk-proj-4f9"Zq7_Lm2+Xw8/Rt5vB1nC6yD3kE0jHa=='
const isQuoted = makeKeyGuard(["a-key-that-nobody-quotes-at-all", key])

describe("a key in a text", () => {
  it.each([
    ["as it is", key],
    ["within a JSON text", JSON.stringify({ key })],
    ["escaped twice", JSON.stringify(JSON.stringify({ key }))],
    [
      "in escapes of each character",
      [...key].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
    ],
    ["encoded for a URL", encodeURIComponent(key)],
    ["encoded for a URL twice", encodeURIComponent(encodeURIComponent(key))],
    ["each character encoded for a URL", [...Buffer.from(key)].map((c) => `%${c.toString(16)}`).join("")],
    ["in base64", Buffer.from(key).toString("base64")],
    ["in base64 for URLs", Buffer.from(key).toString("base64url")],
    ["in base64 behind one letter", Buffer.from(`x${key}`).toString("base64")],
    ["in base64 behind its scheme", Buffer.from(`Bearer ${key}`).toString("base64")],
    ["in base64 behind a user", Buffer.from(`us:${key}`).toString("base64")],
    ["in hex", Buffer.from(key).toString("hex")],
    ["broken into lines", key.replaceAll(/.{7}/g, "$&\n  ")],
    ["broken into lines that are escaped", JSON.stringify(key.replaceAll(/.{7}/g, "$&\r\n"))],
    ["with spaces", [...key].join(" ")],
    ["in capitals", key.toUpperCase()],
    ["but for its end", key.slice(0, 22)],
    ["but for its beginning", key.slice(-24)],
  ])("is found %s", (_name, text) => {
    assert.isTrue(isQuoted(`The key ${text} is not known.`))
  })

  it.each([
    ["nothing", ""],
    [
      "the beginning and end that vendors show",
      `Incorrect API key provided: ${key.slice(0, 9)}***${key.slice(-4)}.`,
    ],
    [
      "an ordinary sentence",
      "Unsupported parameter: 'temperature' is not supported with this model. ".repeat(20),
    ],
  ])("is not found in %s", (_name, text) => {
    assert.isFalse(isQuoted(text))
  })

  it("is not looked for when it is none", () => {
    assert.isFalse(makeKeyGuard([])("The key is not known."))
    for (const placeholder of ["none", "ollama", "not-needed"]) {
      assert.isFalse(makeKeyGuard([placeholder])(`The key ${placeholder} is not known.`))
    }
  })

  it("is found in a text that is no longer than the key", () => {
    assert.isTrue(makeKeyGuard(["0123456789abcdef"])("0123456789abcdef"))
    assert.isFalse(makeKeyGuard(["..........................ab"])("about"))
  })
})
