import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { isPlainTag, isPlainUser, joinTags, userNamed, userOf } from "../../src/domain/Attribution.ts"
import { MAX_TAG_LENGTH, MAX_USER_LENGTH } from "../../src/domain/bounds.ts"
import type { Task } from "../../src/domain/Task.ts"

const saying = (fields: object): Task => ({
  _tag: "Chat",
  request: { messages: [{ role: "user", content: "x" }], ...fields },
  mode: "whole",
})

describe("the user in a body", () => {
  it("is whom the request names, in the words of each API", () => {
    assert.strictEqual(userOf(saying({ safety_identifier: "s", user: "u" })), "s")
    assert.strictEqual(userOf(saying({ user: "u", metadata: { user_id: "m" } })), "u")
    assert.strictEqual(userOf(saying({ user: " ", metadata: { user_id: "m" } })), "m")
    assert.strictEqual(userOf({ _tag: "Embedding", request: { input: "x", user: "u" } }), "u")
    // A client of Messages says it in a field that chat has no word for.
    const body = { metadata: { user_id: "m" } }
    assert.strictEqual(userOf({ _tag: "Chat", request: { messages: [] }, mode: "whole", body }), "m")
  })

  it("is nobody where nothing of use is said", () => {
    for (const fields of [
      {},
      { user: 7 },
      { user: "" },
      { metadata: "m" },
      { metadata: { user_id: null } },
    ]) {
      assert.isUndefined(userOf(saying(fields)))
    }
  })

  it("is Claude Code's account or device, whatever the session", () => {
    const device = "a".repeat(64)
    const account = "0dc4a4c7-6d0e-4f3b-9d1f-0a4c6f1e2b3a"
    const agent = (user_id: string) => userOf(saying({ metadata: { user_id } }))
    for (const session of ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]) {
      assert.strictEqual(agent(`user_${device}_account__session_${session}`), `user_${device}`)
      assert.strictEqual(agent(`user_${device}_account_${account}_session_${session}`), account)
      const said = { device_id: device, account_uuid: "", session_id: session }
      assert.strictEqual(agent(JSON.stringify(said)), device)
      assert.strictEqual(agent(JSON.stringify({ ...said, account_uuid: account })), account)
    }
    for (const other of ["user_7", "{", '{"session_id":"s"}', "[1]"]) assert.strictEqual(agent(other), other)
  })
})

describe("a user of another's field", () => {
  it("has a name that every table holds, and one that is no other's", () => {
    const text = fc.string({ unit: "binary", maxLength: 300 })
    fc.assert(
      fc.property(text, (sent) => {
        const name = userNamed(sent)
        if (name === undefined) return sent.trim() === ""
        return name.length <= MAX_USER_LENGTH && name.isWellFormed() && !/\p{Cc}/u.test(name)
      }),
    )
    const long = "u".repeat(MAX_USER_LENGTH)
    assert.strictEqual(userNamed(long), long)
    const names = [`${long}1`, `${long}2`].map(userNamed)
    assert.notStrictEqual(names[0], names[1])
    assert.deepStrictEqual(
      names.map((name) => name?.length),
      [MAX_USER_LENGTH, MAX_USER_LENGTH],
    )
    assert.isTrue(userNamed(`${"u".repeat(94)}\u{1f600}${long}`)?.isWellFormed())
    assert.isUndefined(userNamed(7))
  })
})

describe("what the gateway's own fields take", () => {
  it("is printable ASCII of some length, without a comma", () => {
    for (const text of ["a", "ada@example.com", "Ada Lovelace", "x".repeat(MAX_TAG_LENGTH)]) {
      assert.isTrue(isPlainTag(text) && isPlainUser(text), text)
    }
    for (const text of ["", " ", " a", "a ", "a,b", "ä", "a\tb", "a\0"]) {
      assert.isFalse(isPlainTag(text) || isPlainUser(text), JSON.stringify(text))
    }
    assert.isFalse(isPlainTag("x".repeat(MAX_TAG_LENGTH + 1)))
    assert.isTrue(isPlainUser("x".repeat(MAX_USER_LENGTH)))
    assert.isFalse(isPlainUser("x".repeat(MAX_USER_LENGTH + 1)))
  })
})

describe("tags of a key and of a request", () => {
  it("are each there once, the key's first", () => {
    assert.deepStrictEqual(joinTags(["prod", "eu"], ["eu", "batch"]), ["prod", "eu", "batch"])
    assert.deepStrictEqual(joinTags([], ["a"]), ["a"])
    assert.deepStrictEqual(joinTags(["a"], []), ["a"])
  })
})
