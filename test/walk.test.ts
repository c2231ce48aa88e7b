import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const page = readFileSync("CONTRIBUTING.md", "utf8")
const walk = page.slice(page.indexOf("### The way of a request"), page.indexOf("A new provider with"))

describe("the way of a request in CONTRIBUTING.md", () => {
  it("has ten stops", () => {
    assert.lengthOf(walk.match(/^\d+\. /gm) ?? [], 10)
  })

  it("names files and functions that exist", () => {
    let file = ""
    const named: Array<string> = []
    for (const [, word = ""] of walk.matchAll(/`([^`]+)`/g)) {
      if (word.startsWith("src/")) {
        assert.isTrue(existsSync(word), word)
        file = word
      } else if (/^[a-z]\w+$/.test(word)) {
        assert.match(readFileSync(file, "utf8"), new RegExp(`\\b${word}\\b`), `${word} in ${file}`)
        named.push(word)
      }
    }
    assert.isAbove(named.length, 12)
  })
})
