import { assert, describe, it } from "@effect/vitest"
import { sameModels } from "../../src/reconciliation/same-models.ts"

const modelsOf = (report: ReadonlyArray<string>, ledger: ReadonlyArray<string>) =>
  Object.fromEntries([...sameModels(report, ledger)].map(([name, { model }]) => [name, model]))

describe("names of one model", () => {
  it("are a snapshot and its alias, where either side has the alias", () => {
    assert.deepStrictEqual(
      modelsOf(
        ["gpt-5.4-mini-2026-03-17", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20"],
        ["gpt-5.4-mini", "gpt-4o-2024-11-20"],
      ),
      {
        "gpt-5.4-mini-2026-03-17": "gpt-5.4-mini",
        "gpt-5.4-mini": "gpt-5.4-mini",
        "gpt-4o-2024-08-06": "gpt-4o-2024-08-06",
        "gpt-4o-2024-11-20": "gpt-4o-2024-11-20",
      },
    )
  })

  it("are all snapshots of an alias, since the report does not say which of them it stood for", () => {
    assert.deepStrictEqual(
      modelsOf(["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"], ["gpt-4o", "gpt-4o-2024-11-20"]),
      {
        "gpt-4o-2024-08-06": "gpt-4o",
        "gpt-4o-2024-11-20": "gpt-4o",
        "gpt-4o": "gpt-4o",
      },
    )
  })

  it("are how Anthropic's console and its API spell it", () => {
    assert.deepStrictEqual(
      modelsOf(
        ["Claude Haiku 4.5", "Claude 3.5 Sonnet 2024-10-22", "Claude Opus 4.6"],
        ["claude-haiku-4-5-20251001", "claude-3-5-sonnet-20241022", "claude-opus-4-6"],
      ),
      {
        "Claude Haiku 4.5": "claude-haiku-4-5-20251001",
        "claude-haiku-4-5-20251001": "claude-haiku-4-5-20251001",
        "Claude 3.5 Sonnet 2024-10-22": "claude-3-5-sonnet-20241022",
        "claude-3-5-sonnet-20241022": "claude-3-5-sonnet-20241022",
        "Claude Opus 4.6": "claude-opus-4-6",
        "claude-opus-4-6": "claude-opus-4-6",
      },
    )
  })

  it("are those tuned from one model and their sum", () => {
    assert.deepStrictEqual(
      modelsOf(["ft-gpt-4o-2024-08-06", "gpt-4o-2024-08-06"], ["ft:gpt-4o-2024-08-06:acme::a1"]),
      {
        "ft-gpt-4o-2024-08-06": "ft:gpt-4o-2024-08-06:acme::a1",
        "ft:gpt-4o-2024-08-06:acme::a1": "ft:gpt-4o-2024-08-06:acme::a1",
        "gpt-4o-2024-08-06": "gpt-4o-2024-08-06",
      },
    )
  })

  it("are not those of another size, nor a number that is no date", () => {
    assert.deepStrictEqual(modelsOf(["gpt-4o-mini-2024-07-18", "gpt-4-0613"], ["gpt-4o", "gpt-4"]), {
      "gpt-4o-mini-2024-07-18": "gpt-4o-mini-2024-07-18",
      "gpt-4-0613": "gpt-4-0613",
      "gpt-4o": "gpt-4o",
      "gpt-4": "gpt-4",
    })
  })
})
