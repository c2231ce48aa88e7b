import { assert, describe, it } from "@effect/vitest"
import { KeyId } from "../../src/domain/Ids.ts"
import { RefusalLog } from "../../src/inference/RefusalLog.ts"
import { attempt, record } from "../ledger/records.ts"

const key = (name: string) => KeyId.make(name.repeat(12))
const refused = (changes: Parameters<typeof record>[0] = {}) =>
  record({ status: 429, errorCode: "rate_limited", attempts: [], provider: null, model: null, ...changes })

describe("a log of refusals", () => {
  it("has a row for each of a key's first ones, and counts the others by route and error", () => {
    const log = new RefusalLog()
    const rows = Array.from({ length: 1_000 }, () => log.take(refused())).filter((row) => row !== undefined)
    assert.lengthOf(rows, 10)
    assert.isTrue(rows.every(({ requests }) => requests === 1))
    assert.isUndefined(log.take(refused({ endpoint: "/v1/embeddings" })))
    assert.isUndefined(log.take(refused({ status: 400, errorCode: "invalid_json" })))
    assert.isDefined(log.take(refused({ keyId: key("B") })), "another key")

    const counted = log.endPeriod()
    assert.deepStrictEqual(
      counted.map(({ endpoint, errorCode, requests }) => [endpoint, errorCode, requests]),
      [
        ["/infer", "rate_limited", 990],
        ["/v1/embeddings", "rate_limited", 1],
        ["/infer", "invalid_json", 1],
      ],
    )
    assert.lengthOf(new Set([...rows, ...counted].map(({ id }) => id)), 13)
    assert.deepStrictEqual(log.endPeriod(), [])
    assert.isDefined(log.take(refused()), "the next period")
  })

  it("counts users and tags apart, but not any number of them", () => {
    const log = new RefusalLog()
    for (let i = 0; i < 10; i++) log.take(refused())
    for (let i = 0; i < 1_000; i++) log.take(refused({ team: "search", user: `user-${i}`, tags: ["prod"] }))
    for (let i = 0; i < 3; i++) log.take(refused({ team: "search", user: "user-0", tags: ["prod"] }))
    log.take(refused({ team: "search", user: "user-0", tags: ["eu"] }))
    const counted = log.endPeriod()
    assert.lengthOf(counted, 51)
    assert.strictEqual(counted.find(({ user, tags }) => user === "user-0" && tags[0] === "prod")?.requests, 4)
    assert.strictEqual(counted.find(({ user }) => user === "user-49")?.requests, 1)
    assert.deepInclude(counted.at(-1), { team: "search", user: null, tags: [], requests: 951 })
  })

  it("is not about answers, failures and clients that left", () => {
    const log = new RefusalLog()
    const others = [
      record(),
      refused({ status: 499, errorCode: "client_closed_request" }),
      refused({ status: 500, errorCode: "internal_error" }),
      refused({ status: 503, errorCode: "no_provider_available", attempts: [attempt] }),
    ]
    for (let i = 0; i < 20; i++) for (const other of others) assert.strictEqual(log.take(other), other)
    assert.deepStrictEqual(log.endPeriod(), [])
  })
})
