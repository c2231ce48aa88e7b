import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { Task } from "../../src/domain/Task.ts"
import { applicationOf, conversationOf } from "../../src/routing/identity.ts"
import { chat } from "./world.ts"

type Message = ChatRequest["messages"][number]

/** Enough to be cached somewhere. */
const long = (text: string): string => `${text} ${"and so on ".repeat(800)}`
const system = (content: string): Message => ({ role: "system", content })
const user = (content: string): Message => ({ role: "user", content })
const assistant = (content: string): Message => ({ role: "assistant", content })

const task = (messages: ReadonlyArray<Message>, extra: Partial<ChatRequest> = {}): Task =>
  chat({ messages: [...messages], ...extra })
const idOf = (
  messages: ReadonlyArray<Message>,
  extra?: Partial<ChatRequest>,
  key = "key",
  session?: string,
) => conversationOf(task(messages, extra), key, session)

describe("a conversation", () => {
  const first = [system(long("You are a pirate.")), user("Hello")]

  it("is the same while it grows", () => {
    const id = idOf(first)
    assert.isDefined(id)
    assert.strictEqual(idOf([...first, assistant("Ahoy!"), user("And then?")]), id)
    assert.strictEqual(
      idOf([...first, assistant("Ahoy!"), user("And then?"), assistant("A storm."), user("And then?")]),
      id,
    )
  })

  it("is another with another system prompt, another first turn, or another key", () => {
    const ids = [
      idOf(first),
      idOf([system(long("You are a parrot.")), user("Hello")]),
      idOf([system(long("You are a pirate.")), user("Hello!")]),
      idOf([user(long("You are a pirate.")), user("Hello")]),
      idOf(first, {}, "another key"),
      idOf([system(long("You are a pirate.")), user("Hello".repeat(2))]),
    ]
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it("is told by its first turn's parts too, also where one of them is no text", () => {
    const withImage = (url: string): Message => ({
      role: "user",
      content: [
        { type: "text", text: "What is this?" },
        { type: "image_url", image_url: { url } },
      ],
    })
    const beginning = system(long("You see."))
    const id = idOf([beginning, withImage("https://example.com/one.png")])
    assert.isDefined(id)
    assert.strictEqual(
      idOf([beginning, withImage("https://example.com/one.png"), assistant("A cat."), user("Sure?")]),
      id,
    )
    assert.notStrictEqual(idOf([beginning, withImage("https://example.com/two.png")]), id)
  })

  it("is what the client names, by its session before its cache's key, within its own key", () => {
    const named = idOf(first, { prompt_cache_key: "thread 1" })
    const later = [first[0] ?? user(""), user("Something else")]
    assert.strictEqual(idOf(later, { prompt_cache_key: "thread 1" }), named)
    assert.strictEqual(idOf(later, { session_id: "thread 1" }), named)
    assert.notStrictEqual(idOf(first, { prompt_cache_key: "thread 2" }), named)
    assert.notStrictEqual(idOf(first, { prompt_cache_key: "thread 1" }, "another key"), named)
    assert.strictEqual(
      idOf(first, { prompt_cache_key: "thread 1" }, "key", "session"),
      idOf(later, {}, "key", "session"),
    )
    // Agents of one session have conversations of their own.
    assert.notStrictEqual(
      idOf([system(long("You sum up.")), user("y")], {}, "key", "session"),
      idOf(later, {}, "key", "session"),
    )
    // A name of nothing is none.
    assert.strictEqual(idOf(first, { prompt_cache_key: "" }), idOf(first))
  })

  it("is none that a prompt too short for any cache belongs to, and none that is no chat", () => {
    assert.isUndefined(idOf([system("You are a pirate."), user("Hello")]))
    assert.isUndefined(idOf([user("Hello")], { prompt_cache_key: "thread" }, "key", "session"))
    const input = [long("x"), long("y")]
    assert.isUndefined(conversationOf({ _tag: "Embedding", request: { input } }, "key", "session"))
  })

  it("has a name of bounded length", () => {
    const name = "x".repeat(1_000_000)
    assert.isBelow(idOf(first, { prompt_cache_key: name })?.length ?? Number.NaN, 500)
    assert.isBelow(idOf(first, {}, "key", name)?.length ?? Number.NaN, 500)
    assert.isBelow(idOf([user(name)])?.length ?? Number.NaN, 500)
  })

  it("differs for any two beginnings that differ", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (one, other, next) => {
        const filler = long("")
        const id = idOf([system(filler), user(one)])
        assert.strictEqual(idOf([system(filler), user(one), assistant(next), user(other)]), id)
        if (one !== other) assert.notStrictEqual(idOf([system(filler), user(other)]), id)
      }),
    )
  })
})

describe("an application", () => {
  const of = (...messages: ReadonlyArray<Message>) => applicationOf(task(messages))

  it("is told by its system prompt, whoever asks it what", () => {
    const pirate = of(system("You are a pirate."), user("Hello"))
    assert.isDefined(pirate)
    assert.strictEqual(of(system("You are a pirate."), user("Bye"), assistant("Bye"), user("?")), pirate)
    assert.notStrictEqual(of(system("You are a parrot."), user("Hello")), pirate)
  })

  it("is told by a developer's prompt and by one in parts as well", () => {
    const developer: Message = { role: "developer", content: "You are a pirate." }
    const parts: Message = { role: "system", content: [{ type: "text", text: "You are a pirate." }] }
    assert.isDefined(of(developer, user("Hello")))
    assert.strictEqual(of(parts, user("Hello")), of(system("You are a pirate."), user("Hello")))
  })

  it("is none without such a prompt, and none of what is no chat", () => {
    assert.isUndefined(of(user("Hello")))
    assert.isUndefined(of({ role: "system", content: [] }, user("Hello")))
    assert.isUndefined(applicationOf({ _tag: "Embedding", request: { input: "Hello" } }))
  })
})

describe("megabytes", () => {
  it("are not read to the end", () => {
    let read = 0
    const text = "x".repeat(2_000_000)
    // A string that counts how many of its characters are looked at.
    const counting = new Proxy(Object(text) as object, {
      get: (_, name) => {
        if (name === "charCodeAt")
          return (i: number) => {
            read += 1
            return text.charCodeAt(i)
          }
        const value = Reflect.get(Object(text), name)
        return name === "length" ? text.length : value
      },
    })
    const messages = [{ role: "system", content: { 0: { text: counting } } }]
    applicationOf({ _tag: "Chat", request: { messages }, mode: "whole" } as unknown as Task)
    assert.isAbove(read, 0)
    assert.isBelow(read, 5_000)
  })
})
