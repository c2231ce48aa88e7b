import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import type { GatewayConfig } from "../../src/config/GatewayConfig.ts"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { mergeGatewayConfig } from "../../src/config/merge-gateway-config.ts"
import { headersInConditions } from "../../src/config/route-condition.ts"

/** Strategies and conditions of routes in the file: what they become, and each fault by its place. */

const PROVIDERS = `providers:
  - name: v
    kind: openai-compatible
    base_url: http://x
    models:
      - { name: a, context_window: 8000 }
      - { name: b, context_window: 16000 }
      - { name: c }
      - { name: e, kind: embedding }
routes:
`

const merge = (
  routes: string,
  ...variables: ReadonlyArray<string>
): Result.Result<GatewayConfig, ReadonlyArray<string>> =>
  Result.flatMap(parseGatewayFile(routes), (file) =>
    mergeGatewayConfig(file, {
      apiKeys: new Map(variables.map((name) => [name, Redacted.make("key")])),
      baseUrls: { openai: "https://o", gemini: "https://g", anthropic: "https://a" },
      variables: new Map(),
    }),
  )

const faults = (routes: string): ReadonlyArray<string> =>
  Result.match(merge(PROVIDERS + routes), { onSuccess: () => [], onFailure: (lines) => lines })

const routesOf = (routes: string) =>
  Result.getOrThrowWith(merge(PROVIDERS + routes), (lines) => new Error(lines.join("\n"))).routes

describe("docs/routing.md", () => {
  it("shows an example that is accepted", () => {
    const page = readFileSync(new URL("../../docs/routing.md", import.meta.url), "utf8")
    const [, example = ""] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
    assert.include(example, "when:")
    const merged = merge(example, "OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY")
    assert.deepStrictEqual(Result.isFailure(merged) ? merged.failure : [], [])
  })
})

describe("examples/routes.yaml", () => {
  it("is accepted without any key", () => {
    const merged = merge(readFileSync(new URL("../../examples/routes.yaml", import.meta.url), "utf8"))
    assert.deepStrictEqual(Result.isFailure(merged) ? merged.failure : [], [])
  })
})

/** The faults of an `auto` whose `when` has these conditions, beside a chat route `b` and an embedding route `e`. */
const conditionFaults = (...conditions: ReadonlyArray<string>) =>
  faults(`  auto: { candidates: [v/a], when: [${conditions.map((each) => `{ ${each} }`).join(", ")}] }
  b: { candidates: [v/b] }
  e: { candidates: [v/e] }`)

describe("a strategy", () => {
  it("has its own rules unless they are stated", () => {
    const rules = (strategy: string, more = "") => {
      const found = routesOf(`  auto: { candidates: [v/a], strategy: ${strategy}${more} }`).get("auto")
      return [found?.strategy, found?.weights.latency, found?.exploration, found?.hysteresis]
    }
    assert.deepStrictEqual(rules("score"), ["score", 0.6, 0.003, 0])
    assert.deepStrictEqual(rules("fastest"), ["fastest", 1, 0.003, 0])
    assert.deepStrictEqual(rules("cheapest"), ["cheapest", 0, 0, 0])
    assert.deepStrictEqual(rules("priority"), ["priority", 0.6, 0, 0])
    assert.deepStrictEqual(rules("weighted"), ["weighted", 0.6, 0, 0])
    assert.deepStrictEqual(rules("fastest", ", exploration: 0.1, hysteresis: 0.2"), ["fastest", 1, 0.1, 0.2])
    assert.deepStrictEqual(rules("cheapest", ", hysteresis: 0.2"), ["cheapest", 0, 0, 0.2])
  })

  it.each(["score", "fastest", "priority", "weighted"])(
    "%s may hedge, and does not unless told to",
    (strategy) => {
      const hedgeOf = (more: string) =>
        routesOf(`  auto: { candidates: [v/a, v/b], strategy: ${strategy}${more} }`).get("auto")?.hedge
      assert.isUndefined(hedgeOf(""))
      assert.deepStrictEqual(hedgeOf(", hedge: { traffic: 0.05, spend: 0 }"), { traffic: 0.05, spend: 0 })
    },
  )

  it("weighted gives a weight to each candidate", () => {
    const found = routesOf(`  auto:
    strategy: weighted
    candidates: [v/a, { target: v/b, weight: 3 }, { target: v/c, weight: 0 }]`)
    assert.deepStrictEqual(found.get("auto")?.candidates, [
      { provider: "v", model: "a", weight: 1 },
      { provider: "v", model: "b", weight: 3 },
      { provider: "v", model: "c", weight: 0 },
    ])
  })

  it.each([
    [
      "strategy: best, candidates: [v/a]",
      "routes.r.strategy must be score, priority, weighted, cheapest or fastest",
    ],
    ...["weights: { latency: 1, cost: 0 }", "exploration: 0.1", "hysteresis: 0.1"].flatMap((rule) =>
      ["priority", "weighted"].map((strategy): [string, string] => [
        `strategy: ${strategy}, ${rule}, candidates: [v/a]`,
        `routes.r.${rule.split(":")[0]} means nothing under strategy ${strategy}`,
      ]),
    ),
    [
      "strategy: cheapest, hedge: { traffic: 0.1, spend: 0.1 }, candidates: [v/a, v/b]",
      "routes.r.hedge means nothing under strategy cheapest",
    ],
    [
      "hedge: { traffic: 0.1, spend: 0.1 }, candidates: [v/a]",
      "routes.r.hedge needs two candidates at least",
    ],
    ["hedge: { traffic: 0.1 }, candidates: [v/a, v/b]", "routes.r.hedge.spend is missing"],
    [
      "hedge: { traffic: 0.6, spend: 0.1 }, candidates: [v/a, v/b]",
      "routes.r.hedge.traffic must be a number from 0 to 0.5",
    ],
    ["hedge: 0.1, candidates: [v/a, v/b]", "routes.r.hedge must be a mapping"],
    [
      "strategy: cheapest, exploration: 0.1, candidates: [v/a]",
      "routes.r.exploration means nothing under strategy cheapest",
    ],
    [
      "strategy: fastest, weights: { latency: 1, cost: 0 }, candidates: [v/a]",
      "routes.r.weights means nothing under strategy fastest",
    ],
    [
      "candidates: [v/a, { target: v/b, weight: 3 }]",
      "routes.r.candidates[1].weight means nothing under strategy score",
    ],
    [
      "strategy: priority, candidates: [{ target: v/b, weight: 1 }]",
      "routes.r.candidates[0].weight means nothing under strategy priority",
    ],
    [
      "strategy: weighted, candidates: [{ target: v/a, weight: 0 }, { target: v/b, weight: 0 }]",
      "routes.r.candidates must have a weight above 0 for one at least",
    ],
    ...["-1", ".nan", ".inf", "1000001", "much"].map((weight): [string, string] => [
      `strategy: weighted, candidates: [{ target: v/a, weight: ${weight} }]`,
      "routes.r.candidates[0].weight must be a number from 0 to 1000000",
    ]),
    ["strategy: weighted, candidates: [{ target: v/a }]", "routes.r.candidates[0].weight is missing"],
    [
      "strategy: weighted, candidates: [{ target: v, weight: 1 }]",
      "routes.r.candidates[0].target must be provider/model",
    ],
    ["candidates: [3]", "routes.r.candidates[0] must be provider/model, or a mapping of target and weight"],
    [
      "strategy: weighted, candidates: [v/a, { target: v/a, weight: 2 }]",
      "routes.r.candidates[1] repeats an earlier entry",
    ],
    [
      "strategy: weighted, candidates: [{ target: v/x, weight: 2 }]",
      "routes.r.candidates[0] names no model of provider v",
    ],
    [
      "candidates: [v/b], larger_context: [v/a]",
      "routes.r.larger_context[0] fits no longer prompt than any of the candidates",
    ],
    [
      "candidates: [v/b], larger_context: [{ target: v/a, weight: 1 }]",
      "routes.r.larger_context[0] must be provider/model",
    ],
    ["candidates: [v/c], larger_context: [v/c]", "routes.r.larger_context[0] repeats a candidate"],
  ])("%s is refused", (route, fault) => assert.deepStrictEqual(faults(`  r: { ${route} }`), [fault]))

  it("larger_context may be smaller than some candidates, and of an unknown size", () => {
    assert.deepStrictEqual(faults("  r: { candidates: [v/a, v/c], larger_context: [v/b] }"), [])
    assert.deepStrictEqual(faults("  r: { candidates: [v/c, v/b], larger_context: [v/a] }"), [])
    assert.deepStrictEqual(faults("  r: { candidates: [v/a, v/b], larger_context: [v/c] }"), [])
  })
})

describe("a condition", () => {
  it("is kept as it is written, in its order", () => {
    const found = routesOf(`  auto:
    candidates: [v/a]
    when:
      - { input_tokens_above: 100000, input_tokens_below: 500000, route: b }
      - { uses: [image, tools], max_output_tokens_above: 4000, route: b }
      - { header: { X-Tier: [gold, silver], x-team: red }, keys: [AbCd01234567], route: b }
      - { hours: "22:00-06:00", days: [mon, sun], time_zone: Europe/Berlin, route: b }
      - { share: 0.05, asked: [auto], route: b }
  b: { candidates: [v/b] }`)
    assert.deepStrictEqual(found.get("auto")?.when, [
      { inputTokensAbove: 100_000, inputTokensBelow: 500_000, route: "b" },
      { uses: ["image", "tools"], maxOutputTokensAbove: 4_000, route: "b" },
      { header: { "X-Tier": ["gold", "silver"], "x-team": "red" }, keys: ["AbCd01234567"], route: "b" },
      { hours: "22:00-06:00", days: ["mon", "sun"], timeZone: "Europe/Berlin", route: "b" },
      { share: 0.05, asked: ["auto"], route: "b" },
    ])
    assert.deepStrictEqual(found.get("b")?.when, [])
    assert.deepStrictEqual(headersInConditions(found), ["x-tier", "x-team"])
    assert.deepStrictEqual(headersInConditions(routesOf("  b: { candidates: [v/b] }")), [])
  })

  it.each([
    ["share: 1.5, route: b", "share must be a number from 0 to 1"],
    ["share: -0.1, route: b", "share must be a number from 0 to 1"],
    ["share: .nan, route: b", "share must be a number from 0 to 1"],
    [
      "uses: [vision], route: b",
      "uses[0] must be one of image, audio, file, tools, json_schema, reasoning, stream",
    ],
    ["uses: [], route: b", "uses must be a list with at least one entry"],
    ["hours: 25:00-06:00, route: b", "hours must be two times of day, such as 22:00-06:00"],
    ["hours: 9-17, route: b", "hours must be two times of day, such as 22:00-06:00"],
    ["hours: 24:00-06:00, route: b", "hours must be two times of day, such as 22:00-06:00"],
    ["hours: 08:00-08:00, route: b", "hours must be two different times"],
    ["days: [monday], route: b", "days[0] must be one of mon, tue, wed, thu, fri, sat, sun"],
    [
      "days: [mon], time_zone: Mars/Base, route: b",
      "time_zone must be a time zone of the IANA database, such as Europe/Berlin",
    ],
    ["share: 0.1, time_zone: Europe/Berlin, route: b", "time_zone means nothing without hours or days"],
    ["keys: [my-key], route: b", "keys[0] must be the id of an API key"],
    ["header: { x-tier: 3 }, route: b", "header.x-tier must be a text, or a list of texts"],
    ["header: { x-tier: [] }, route: b", "header.x-tier must be a list with at least one entry"],
    ["header: { x-tier: ' gold' }, route: b", "header.x-tier must be a text, or a list of texts"],
    ["header: gold, route: b", "header must be a mapping"],
    ["header: { x tier: gold }, route: b", 'header["x tier"] is not the name of a header field'],
    [
      "header: { Authorization: Bearer x }, route: b",
      "header.Authorization is a credential, which nothing here may name",
    ],
    ["header: { X-A: x, x-a: y }, route: b", "header.x-a repeats an earlier name"],
    ["input_tokens_above: 1.5, route: b", "input_tokens_above must be a whole number from 0 to 100000000"],
    [
      "input_tokens_above: 9, input_tokens_below: 10, route: b",
      "input_tokens_below leaves nothing above input_tokens_above",
    ],
    [
      "max_output_tokens_above: 9, max_output_tokens_below: 5, route: b",
      "max_output_tokens_below leaves nothing above max_output_tokens_above",
    ],
    ["share: 0.1", "route is missing"],
    ["share: 0.1, route: x", "route names no route"],
    ["share: 0.1, route: v/b", "route names no route"],
    ["share: 0.1, model: x, route: b", "model is not a known setting"],
    ["share: 0.1, asked: [x], route: b", "asked[0] names no route"],
    ["share: 0.1, asked: [b], route: b", "asked[0] names a route that never leads here"],
    [
      "share: 0.1, route: e",
      "route names a route of kind embedding, but the models of this one have kind chat",
    ],
    ["share: 0.1, route: auto", "route leads round in a circle: auto -> auto"],
  ])("%s is refused", (condition, fault) =>
    assert.deepStrictEqual(conditionFaults(condition), [`routes.auto.when[0].${fault}`]),
  )

  it.each([
    ["share: 0.1, route: b", "share: 0.1, route: b"],
    ["share: 0.2, route: b", "share: 0.1, route: b"],
    ["input_tokens_above: 10, route: b", "input_tokens_above: 100, route: b"],
    ["input_tokens_below: 100, route: b", "input_tokens_below: 100, share: 1, route: b"],
    ["max_output_tokens_above: 10, route: b", "max_output_tokens_above: 10, uses: [image], route: b"],
    ["max_output_tokens_below: 10, route: b", "max_output_tokens_below: 9, route: b"],
    ["uses: [image], route: b", "uses: [tools, image], route: b"],
    ["header: { X-A: [x, y] }, route: b", "header: { x-a: y, x-b: z }, route: b"],
    ["keys: [AbCd01234567, ZbCd01234567], route: b", "keys: [ZbCd01234567], route: b"],
    ["days: [mon, tue], route: b", "days: [tue, mon], time_zone: utc, route: b"],
  ])("after %s nothing reaches %s", (earlier, later) =>
    assert.deepStrictEqual(conditionFaults(earlier, later), [
      "routes.auto.when[1] can never be reached: whatever meets it has met when[0] before",
    ]),
  )

  it.each([
    ["share: 0.1, route: b", "share: 0.2, route: b"],
    ["input_tokens_above: 100, route: b", "input_tokens_above: 10, route: b"],
    ["uses: [tools, image], route: b", "uses: [image], route: b"],
    ["header: { x-a: x }, route: b", "header: { x-a: [x, y] }, route: b"],
    ["header: { x-a: x }, route: b", "share: 0.1, route: b"],
    ["days: [mon], route: b", "days: [mon], time_zone: Europe/Berlin, route: b"],
    ["hours: 08:00-10:00, route: b", "days: [mon], route: b"],
    ["asked: [auto], share: 0.1, route: b", "share: 0.1, route: b"],
  ])("after %s something reaches %s", (earlier, later) =>
    assert.deepStrictEqual(conditionFaults(earlier, later), []),
  )

  it("that every request meets is the last, and leaves the route nothing to ask", () => {
    const later = "share: 0.1, route: b"
    assert.deepStrictEqual(conditionFaults("route: b", later), [
      "routes.auto.candidates can never be asked: when[0] sends every request on",
      "routes.auto.when[1] can never be reached: whatever meets it has met when[0] before",
    ])
    assert.deepStrictEqual(
      faults(`  auto: { larger_context: [v/a], when: [{ share: 0.5, route: b }, { route: b }, { route: b }] }
  b: { candidates: [v/b] }`),
      [
        "routes.auto.larger_context can never be asked: when[1] sends every request on",
        "routes.auto.when[2] can never be reached: every request has met when[1] before",
      ],
    )
    const found = routesOf("  auto: { when: [{ route: b }] }\n  b: { candidates: [v/b] }")
    assert.deepStrictEqual(found.get("auto")?.candidates, [])
  })

  it("of another share draws other users where it leads elsewhere", () =>
    assert.deepStrictEqual(
      faults(`  auto: { candidates: [v/a], when: [{ share: 0.2, route: b }, { share: 0.1, route: c }] }
  b: { candidates: [v/b] }
  c: { candidates: [v/c] }`),
      [],
    ))

  it("may name what leads here by other routes", () => {
    const leading = (asked: string) =>
      faults(`  a: { candidates: [v/a], when: [{ share: 0.5, route: b }] }
  b: { candidates: [v/a], when: [{ share: 0.5, route: c }] }
  c: { candidates: [v/a], when: [{ asked: [${asked}], route: d }] }
  d: { candidates: [v/a] }`)
    assert.deepStrictEqual(leading("a, b, c"), [])
    assert.deepStrictEqual(leading("auto, a, d"), [
      "routes.c.when[0].asked[0] names a route that never leads here",
      "routes.c.when[0].asked[2] names a route that never leads here",
    ])
  })

  it("never leads round in a circle, each of which is named once", () => {
    assert.deepStrictEqual(
      faults(`  auto: { candidates: [v/a], when: [{ share: 0.5, route: long }] }
  long: { candidates: [v/b], when: [{ uses: [image], route: deep }, { uses: [tools], route: auto }] }
  deep: { candidates: [v/b], when: [{ uses: [tools], route: long }, { uses: [file], route: apart }] }
  apart: { candidates: [v/b], when: [{ uses: [file], route: apart }] }`),
      [
        "routes.deep.when[0].route leads round in a circle: long -> deep -> long",
        "routes.apart.when[0].route leads round in a circle: apart -> apart",
        "routes.long.when[1].route leads round in a circle: auto -> long -> auto",
      ],
    )
  })

  it("sends a route without candidates to models of one kind", () => {
    assert.deepStrictEqual(
      faults(`  auto: { when: [{ share: 0.5, route: b }, { route: e }] }
  b: { candidates: [v/b] }
  e: { candidates: [v/e] }`),
      [
        "routes.auto.when[1].route names a route of kind embedding, but the models of this one have kind chat",
      ],
    )
  })
})
