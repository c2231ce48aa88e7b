import { assert, describe, it } from "@effect/vitest"
import type { Charge } from "../../src/domain/Budget.ts"
import { KeyId, RequestId } from "../../src/domain/Ids.ts"
import type { AttemptIntent } from "../../src/ledger/LedgerRecord.ts"
import { intentLine, lostRequest } from "../../src/ledger/lost-request.ts"

const intent: AttemptIntent = {
  id: RequestId.make("00000000-0000-7000-8000-000000000001"),
  requestStartedAt: 1,
  keyId: KeyId.make("AdaAdaAdaAda"),
  team: "search",
  user: "ada",
  tags: ["prod", "eu"],
  endpoint: "/infer",
  route: "auto",
  requestedModel: "auto",
  stream: false,
  provider: "openai",
  model: "m",
  startedAt: 2,
}

describe("a request that its process died over", () => {
  it("is still known to be somebody's", () => {
    assert.deepInclude(lostRequest([intentLine(intent)]), {
      team: "search",
      user: "ada",
      tags: ["prod", "eu"],
    })
  })

  it("is nobody's where its line says nothing, as those of the version before", () => {
    const { team: _, user: _user, tags: _tags, ...before } = intent
    const nobodys = { team: null, user: null, tags: [] }
    assert.deepInclude(lostRequest([intentLine(before)]), nobodys)
    assert.deepInclude(
      lostRequest([intentLine({ ...intent, team: undefined, user: undefined, tags: undefined })]),
      nobodys,
    )
  })

  it("is known from a line of a newer version, without what is not known here", () => {
    const newer = JSON.stringify({ ...JSON.parse(intentLine(intent)), project: { name: "p" } })
    assert.deepStrictEqual(lostRequest([newer]), lostRequest([intentLine(intent)]))
  })

  it("is charged what its last note says, which has all of the request", () => {
    const charge = (nano_usd: number): Charge => ({
      ...{ holder: "a", nano_usd },
      windows: [
        [1, null],
        [2, 1_760_000_000],
      ],
    })
    const lines = [[charge(5)], [charge(1), charge(12)]].map((charges) => intentLine({ ...intent, charges }))
    assert.deepStrictEqual(lostRequest(lines)?.charges, [charge(1), charge(12)])
    assert.isUndefined(lostRequest([intentLine(intent)])?.charges)
  })
})
