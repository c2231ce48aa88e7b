import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { Relay } from "../../../src/app/workers/Relay.ts"
import type { ToWorker } from "../../../src/platform/Siblings.ts"

/** Workers by number, and what each has heard since it was last asked. */
const world = (...workers: ReadonlyArray<number>) => {
  const heard = new Map<number, Array<ToWorker>>()
  const relay = new Relay(
    (worker, message) => heard.set(worker, [...(heard.get(worker) ?? []), message]),
    (_, answers) => answers.reduce((sum: number, answer) => sum + Number(answer), 0),
  )
  for (const worker of workers) relay.join(worker)
  return {
    relay,
    take: (worker: number) => {
      const messages = heard.get(worker) ?? []
      heard.delete(worker)
      return messages
    },
  }
}

const question = (id: number): ToWorker => ({ gateway: "question", topic: "count", id })
const answers = (id: number, bodies: ReadonlyArray<unknown>): ToWorker => ({ gateway: "answers", id, bodies })

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe("Relay", () => {
  it("tells all others and not the teller", () => {
    const { relay, take } = world(1, 2, 3)
    const news = { gateway: "tell", topic: "news", body: "bad" } as const
    relay.hear(2, news)
    assert.deepStrictEqual([take(1), take(2), take(3)], [[news], [], [news]])
  })

  it("answers with everybody's as soon as the last one is there", () => {
    const { relay, take } = world(1, 2, 3)
    relay.hear(1, { gateway: "ask", topic: "count", id: 70, own: 10 })
    assert.deepStrictEqual([take(1), take(2), take(3)], [[], [question(1)], [question(1)]])
    relay.hear(3, { gateway: "answer", id: 1, body: 30 })
    assert.deepStrictEqual(take(1), [])
    relay.hear(2, { gateway: "answer", id: 1, body: 20 })
    assert.deepStrictEqual(take(1), [answers(70, [10, 30, 20])])
  })

  it("takes the last answer of who does not answer, and nothing of who never did", () => {
    const { relay, take } = world(1, 2, 3)
    relay.hear(2, { gateway: "ask", topic: "count", id: 1, own: 20 })
    vi.advanceTimersByTime(1_000)
    assert.deepStrictEqual(take(2), [answers(1, [20])])
    relay.hear(1, { gateway: "ask", topic: "count", id: 5, own: 10 })
    vi.advanceTimersByTime(999)
    assert.deepStrictEqual(take(1), [question(1)])
    vi.advanceTimersByTime(1)
    assert.deepStrictEqual(take(1), [answers(5, [20, 10])])
    // Too late for anybody, and remembered.
    relay.hear(2, { gateway: "answer", id: 2, body: 21 })
  })

  it("goes on without who dies, and counts what they had answered", () => {
    const { relay, take } = world(1, 2, 3)
    relay.hear(1, { gateway: "ask", topic: "count", id: 1, own: 1 })
    relay.hear(2, { gateway: "answer", id: 1, body: 5 })
    relay.leave(3)
    assert.deepStrictEqual(take(1), [answers(1, [1, 5])])
    relay.leave(2)
    relay.join(4)
    relay.hear(1, { gateway: "ask", topic: "count", id: 2, own: 2 })
    relay.hear(4, { gateway: "answer", id: 2, body: 0 })
    assert.deepStrictEqual(take(1), [answers(2, [5, 2, 0])])
    relay.leave(4)
    relay.leave(1)
    relay.join(5)
    relay.hear(5, { gateway: "ask", topic: "count", id: 1, own: 1 })
    assert.deepStrictEqual(take(5), [answers(1, [7, 1])])
  })
})
