import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Effect } from "effect"
import type { CostReport } from "../../src/reconciliation/CostReport.ts"
import { readReport } from "../../src/reconciliation/read-report.ts"
import { anthropicCsv, anthropicPage, openAiCsv, openAiPage } from "./reports.ts"

/** Lines in few words: day, model or -, item, dollars. */
const shown = ({ lines }: CostReport) =>
  lines.map(({ dayMs, model, item, usd }) =>
    [new Date(dayMs).toISOString().slice(0, 10), model ?? "-", item, BigDecimal.format(usd)].join(" | "),
  )

const daysOf = ({ days }: CostReport) => [...days].map((ms) => new Date(ms).toISOString().slice(0, 10))

const refused = (text: string) => Effect.map(Effect.flip(readReport(text)), ({ message }) => message)

describe("a report", () => {
  it.effect("is read from OpenAI's API, whose amounts are numbers or texts", () =>
    Effect.gen(function* () {
      const report = yield* readReport(openAiPage)
      assert.strictEqual(report.vendor, "openai")
      assert.deepStrictEqual(shown(report), [
        "2026-06-14 | gpt-4o-mini-2024-07-18 | gpt-4o-mini-2024-07-18, cached input | 0",
        "2026-06-14 | gpt-4o-mini-2024-07-18 | gpt-4o-mini-2024-07-18, input | 0.0000045",
        "2026-06-14 | gpt-4o-mini-2024-07-18 | gpt-4o-mini-2024-07-18, output | 0.0000342",
        "2026-06-14 | ft-gpt-4o-2024-08-06 | ft-gpt-4o-2024-08-06, input | 0.0000001",
        "2026-06-14 | text-embedding-3-large | text-embedding-3-large | 1.2345678901234567e-1",
        "2026-06-14 | - | assistants api | file search | 0.000271",
        "2026-06-14 | - | evals | gpt-4o-mini, input | 3.000000000000000000001e-2",
        "2026-06-14 | - | web search tool calls | -0.25",
        "2026-06-14 | - | (no line item: have the costs grouped by line item) | 1.5",
      ])
      assert.deepStrictEqual(daysOf(report), ["2026-06-14", "2026-06-15"])
    }),
  )

  it.effect("is read from OpenAI's export, with days on which nothing was charged", () =>
    Effect.gen(function* () {
      const report = yield* readReport(openAiCsv)
      assert.strictEqual(report.vendor, "openai")
      assert.deepStrictEqual(shown(report), [
        "2025-10-05 | gpt-5-mini-2025-08-07 | gpt-5-mini-2025-08-07, input | 0.895874",
        "2025-10-06 | - | (no line item: have the costs grouped by line item) | 0.56177125",
      ])
      assert.deepStrictEqual(daysOf(report), ["2025-10-05", "2025-10-06", "2025-10-09"])
      // Without any costs it has no column for them.
      const empty = yield* readReport(
        "start_time,end_time,start_time_iso,end_time_iso\n1735689600,1735776000,2025-01-01T00:00:00+00:00,2025-01-02T00:00:00+00:00\n",
      )
      assert.deepStrictEqual(shown(empty), [])
      assert.deepStrictEqual(daysOf(empty), ["2025-01-01"])
    }),
  )

  it.effect("is read from Anthropic's API, in cents", () =>
    Effect.gen(function* () {
      const report = yield* readReport(anthropicPage)
      assert.strictEqual(report.vendor, "anthropic")
      assert.deepStrictEqual(shown(report), [
        "2026-08-01 | claude-opus-5 | Claude Opus 5 Usage - Input Tokens | 1.2378912",
        "2026-08-01 | - | Web Search Usage | 0.25",
        "2026-08-01 | - | session_usage | 0.0001",
        "2026-08-01 | - | (no description: have the costs grouped by description) | 0.01",
      ])
      assert.deepStrictEqual(daysOf(report), ["2026-08-01", "2026-08-02"])
    }),
  )

  it.effect("is read from Anthropic's export, of today and of before it had types of costs", () =>
    Effect.gen(function* () {
      const report = yield* readReport(anthropicCsv)
      assert.strictEqual(report.vendor, "anthropic")
      assert.deepStrictEqual(shown(report), [
        "2026-08-04 | Claude Haiku 4.5 | Claude Haiku 4.5, token, input_no_cache | 0.05",
        "2026-08-05 | Claude Opus 4.5 | Claude Opus 4.5, token, output | 0.3",
        "2026-08-05 | - | Claude Opus 4.5, web_search, message | 0.02",
      ])
      assert.isTrue(report.inCents)
      const before = yield* readReport(
        "usage_date_utc,model,workspace,api_key,usage_type,token_type,cost_usd\n" +
          "2024-12-07,Claude 3.5 Sonnet 2024-10-22,,Ada,message,input_no_cache,0.01\n",
      )
      assert.deepStrictEqual(shown(before), [
        "2024-12-07 | Claude 3.5 Sonnet 2024-10-22 | Claude 3.5 Sonnet 2024-10-22, input_no_cache | 0.01",
      ])
    }),
  )

  it.effect("is read from several pages in a list, and not from one page of more", () =>
    Effect.gen(function* () {
      const first = openAiPage.replace('"has_more":false', '"has_more":true')
      assert.match(yield* refused(first), /^has_more is true: the report goes on\./)
      assert.lengthOf((yield* readReport(`[${first},${openAiPage}]`)).lines, 18)
    }),
  )

  it.effect("is refused with the place and the rule where a line is not understood", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, RegExp]> = [
        [openAiCsv.replace("0.8958740000000000", "0,90"), /^line 2: has 11 cells, and line 1 has 10/],
        [openAiCsv.replace("0.8958740000000000", "a lot"), /^line 2: amount_value must be a decimal number/],
        [openAiCsv.replace("0.56177125000000000,usd", "0.56,eur"), /^line 3: amount_currency must be USD/],
        [
          openAiCsv.replace("0.56177125000000000,usd,", ",,storage"),
          /^line 3: amount_value must be a decimal/,
        ],
        [
          openAiCsv.replace("1759708800,2025-10-05", "1760313600,2025-10-05"),
          /^line 2: must lie within one UTC day/,
        ],
        [openAiCsv.replace("1759622400", "yesterday"), /^line 2: start_time must be a time in unix seconds/],
        [openAiCsv.replace(",usd,", ',"usd\n",').replace("0.5617", "x"), /^line 4: amount_value must/],
        [openAiCsv.replace(",usd,", ',"usd,'), /^line \d: /],
        [anthropicCsv.replace("2026-08-05", "August 5"), /^line 4: usage_date_utc Expected 2026-11-23/],
        [anthropicCsv.replace("0.30,0.30", ",0.30"), /^line 4: cost_usd must be a decimal number/],
        [openAiPage.replace('"usd"', '"eur"'), /^data\[0\]\.results\[0\]\.amount\.currency must be USD/],
        [openAiPage.replace('"value":1e-7,', ""), /^data\[0\]\.results\[3\]\.amount\.value is missing/],
        [
          openAiPage.replace('"end_time":1781481600', '"end_time":1784073600'),
          /^data\[0\] must lie within one UTC day/,
        ],
        [
          anthropicPage.replace('"123.78912"', '"?"'),
          /^data\[0\]\.results\[0\]\.amount must be a decimal number/,
        ],
        [`[${openAiPage},{"data":[],"has_more":0}]`, /^\[1\]\.has_more /],
        [openAiPage.slice(0, -5), /^is no JSON: /],
        ['{"data":[],"has_more":false}', /^no known report is JSON of this form/],
        ['{"costs":1}', /^no known report is JSON of this form/],
        ["", /^line 1: no known report has these columns/],
        ["a,b\n1,2\n", /^line 1: no known report has these columns: a, b\. Known are the costs/],
        [
          "start_time,end_time,num_model_requests,input_tokens\n",
          /^This export counts tokens and has no costs/,
        ],
        ["usage_date_utc,model_version,usage_output_tokens\n", /^This export counts tokens and has no costs/],
      ]
      for (const [text, words] of cases) assert.match(yield* refused(text), words)
    }),
  )
})
