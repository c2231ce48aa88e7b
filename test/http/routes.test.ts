import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { placeOf } from "../../src/routing/conditions.ts"
import { runCli } from "../cli/run-cli.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { eventually } from "../support/process-watch.ts"
import { SocketClient } from "../support/SocketClient.ts"
import { steppedClock } from "../support/stepped-clock.ts"

/** Routes that send requests on, asked over HTTP in every dialect: the model that the upstream is asked for tells the route. */

let upstream: FakeUpstream
let gateway: GatewayInProcess
let step: (ms: number) => void
let key: string
let special: string

const model = (name: string) =>
  `{ name: ${name}, price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 } }`

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  const databaseUrl = await Effect.runPromise(migratedPostgresUrl)
  const before = await GatewayInProcess.start({ databaseUrl })
  const { id, key: specialKey } = await before.createKey()
  special = specialKey
  await before.stop()

  const wall = await Effect.runPromise(steppedClock)
  step = wall.step
  gateway = await GatewayInProcess.start({
    databaseUrl,
    clock: wall.clock,
    env: { ANTHROPIC_API_KEY: "a-key" },
    config: `providers:
  - name: p
    kind: openai-compatible
    base_url: "${upstream.openAiBaseUrl}"
    models: [${["usual", "gold", "canary", "night", "special", "vision"].map(model).join(", ")}]
  - { name: claude, kind: anthropic, base_url: "${upstream.url}", models: [{ name: claude-opus-5 }] }
routes:
  auto: { candidates: [p/usual] }
  by-header:
    candidates: [p/usual]
    when: [{ header: { X-Tier: [gold, silver] }, route: gold }]
  to-claude:
    candidates: [p/usual]
    when: [{ header: { x-tier: gold }, route: claude }]
  claude: { candidates: [claude/claude-opus-5] }
  by-key:
    candidates: [p/usual]
    when: [{ keys: [${id}], route: special }]
  by-share:
    candidates: [p/usual]
    when: [{ share: 0.5, route: canary }]
  by-time:
    candidates: [p/usual]
    when: [{ hours: "22:00-06:00", days: [fri], time_zone: Europe/Berlin, route: night }]
  by-use:
    candidates: [p/usual]
    when: [{ uses: [image], route: vision }]
  gold: { candidates: [p/gold] }
  special: { candidates: [p/special] }
  canary: { candidates: [p/canary] }
  night: { candidates: [p/night] }
  vision: { candidates: [p/vision] }
`,
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})

const post = async (path: string, body: object, headers: Readonly<Record<string, string>> = {}) => {
  upstream.reset()
  const response = await fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const modelAsked = () => (upstream.calls[0]?.json as { readonly model?: string } | undefined)?.model

/** Sends a chat, and returns the model that was asked for it. */
const asked = async (body: object, headers?: Readonly<Record<string, string>>) => {
  const { status } = await post(
    "/v1/chat/completions",
    { messages: [{ role: "user", content: "Hi" }], ...body },
    headers,
  )
  assert.strictEqual(status, 200)
  return modelAsked()
}

const decisionOf = async (body: object, headers?: Readonly<Record<string, string>>) => {
  const answer = await post("/infer", { prompt: "Hi", dry_run: true, ...body }, headers)
  return answer.body.decision as Record<string, unknown>
}

describe("a header field", () => {
  it("sends a request on by its exact value, whatever the client speaks", async () => {
    const gold = { "x-tier": "gold" }
    assert.strictEqual(await asked({ model: "by-header" }, gold), "gold")
    assert.strictEqual(await asked({ model: "by-header" }, { "X-TIER": "silver" }), "gold")
    assert.strictEqual(await asked({ model: "by-header" }, { "x-tier": "Gold" }), "usual")
    assert.strictEqual(await asked({ model: "by-header" }), "usual")
    assert.strictEqual(await asked({ model: "auto" }, gold), "usual")
    for (const [path, body] of [
      ["/v1/messages", { max_tokens: 9, messages: [{ role: "user", content: "Hi" }] }],
      ["/v1/responses", { input: "Hi" }],
      ["/infer", { prompt: "Hi" }],
    ] as const) {
      assert.strictEqual((await post(path, { model: "by-header", ...body }, gold)).status, 200)
      assert.strictEqual(modelAsked(), "gold", path)
    }
  })

  it("is that of the connection, for requests in a WebSocket", async () => {
    for (const [headers, expected] of [
      [{ "x-tier": "gold" }, "gold"],
      [{}, "usual"],
    ] as const) {
      upstream.reset()
      const client = await SocketClient.open(`${gateway.url}/v1`, key, headers)
      await client.ask({ model: "by-header", input: "Hi" })
      await client.close()
      assert.strictEqual(modelAsked(), expected)
    }
  })

  it("decides who counts a request's tokens", async () => {
    const body = { model: "to-claude", messages: [{ role: "user", content: "Hi" }] }
    const counted: ReadonlyArray<[Record<string, string>, Array<string>]> = [
      [{ "x-tier": "gold" }, ["/v1/messages/count_tokens"]],
      [{}, []],
    ]
    for (const [headers, paths] of counted) {
      assert.strictEqual((await post("/v1/messages/count_tokens", body, headers)).status, 200)
      assert.deepStrictEqual(
        upstream.calls.map(({ path }) => path),
        paths,
      )
    }
  })

  it("is named as a reason in the decision, and its value nowhere", async () => {
    const secret = "silver"
    const decision = await decisionOf({ model: "by-header" }, { "x-tier": secret })
    assert.deepInclude(decision, {
      route: "gold",
      requested_route: "by-header",
      via: ["by-header.when[0]: header"],
      strategy: "score",
    })
    assert.notInclude(JSON.stringify(decision), secret)
    await asked({ model: "by-header" }, { "x-tier": secret })
    assert.notInclude(gateway.stdout + gateway.stderr, secret)
  })
})

describe("a key", () => {
  it("has a route of its own", async () => {
    assert.strictEqual(await asked({ model: "by-key" }), "usual")
    assert.strictEqual(await asked({ model: "by-key" }, { "x-api-key": special }), "special")
  })

  it("that may use the name that it asks for is let through to where that leads, and no further", async () => {
    const gold = { "x-tier": "gold" }
    const restricted = await gateway.createKey({ models: ["by-header"] })
    const narrow = await gateway.createKey({ models: ["p/usual"] })
    assert.strictEqual(await asked({ model: "by-header" }, { ...gold, "x-api-key": restricted.key }), "gold")
    assert.strictEqual(await asked({ model: "by-header" }, { "x-api-key": narrow.key }), "usual")
    for (const [headers, model] of [
      [{ ...gold, "x-api-key": narrow.key }, "by-header"],
      [{ "x-api-key": restricted.key }, "gold"],
    ] as const) {
      const body = { model, messages: [{ role: "user", content: "Hi" }] }
      const refused = await post("/v1/chat/completions", body, headers)
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.body.error, { code: "model_not_allowed" })
      assert.strictEqual(upstream.count, 0)
    }
  })
})

describe("route explain", () => {
  it("says which route takes a request, by which condition and strategy", async () => {
    const args = ["route", "explain", "--url", gateway.url, "--model", "by-key"]
    const { stdout } = await Effect.runPromise(runCli(args, { LLM_GATEWAY_KEY: special }, "/"))
    assert.match(
      stdout,
      /^route special, strategy score, about \d+ input tokens, chosen by only_candidate\n {2}via {2}by-key\.when\[0\]: keys\n/,
    )
  })
})

describe("a share", () => {
  it("is of users, each always on the same side, whatever the client speaks", async () => {
    const users = Array.from({ length: 12 }, (_, i) => `user-${i}`)
    const sides = new Set<string>()
    for (const user of users) {
      const expected = placeOf("canary", user) < 0.5 ? "canary" : "usual"
      sides.add(expected)
      for (const fields of [{ user }, { safety_identifier: user, user: "other" }]) {
        assert.strictEqual(await asked({ model: "by-share", ...fields }), expected)
      }
      const messages = [{ role: "user", content: "Hi" }]
      const fields = { max_tokens: 9, messages, metadata: { user_id: user } }
      assert.strictEqual((await post("/v1/messages", { model: "by-share", ...fields })).status, 200)
      assert.strictEqual(modelAsked(), expected)
    }
    assert.strictEqual(sides.size, 2)
  })

  it("is of keys where no user is named", async () => {
    const [first, second] = [await asked({ model: "by-share" }), await asked({ model: "by-share" })]
    assert.strictEqual(first, second)
  })
})

describe("the time of day", () => {
  it("is that of its place, and the night of a Friday ends on Saturday", async () => {
    let stepped = 0
    const at = async (instant: string) => {
      const ms = Date.parse(instant) - Date.now()
      step(ms - stepped)
      stepped = ms
      return (await decisionOf({ model: "by-time" })).route
    }
    assert.strictEqual(await at("2026-11-27T20:59:00Z"), "by-time")
    assert.strictEqual(await at("2026-11-27T21:00:00Z"), "night")
    assert.strictEqual(await at("2026-11-28T04:59:00Z"), "night")
    assert.strictEqual(await at("2026-11-28T05:00:00Z"), "by-time")
    assert.strictEqual(await at("2026-11-28T21:00:00Z"), "by-time")
    // In summer an hour earlier.
    assert.strictEqual(await at("2026-07-03T20:00:00Z"), "night")
    step(-stepped)
  })
})

describe("what a request uses", () => {
  it("sends it on, and its row in the ledger tells the route", async () => {
    const own = await gateway.createKey()
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }
    const messages = [{ role: "user", content: [{ type: "text", text: "What?" }, image] }]
    const headers = { "x-api-key": own.key }
    assert.strictEqual(await asked({ model: "by-use", messages }, headers), "vision")
    assert.strictEqual(await asked({ model: "by-use" }, headers), "usual")
    let rows: ReadonlyArray<Record<string, unknown>> = []
    await eventually(async () => {
      rows = (await gateway.ledger(2)).filter(({ key_id }) => key_id === own.id)
      return rows.length === 2
    }, 10_000)
    assert.deepStrictEqual(
      rows.map(({ model, route }) => [route, model]),
      [
        ["by-use", "usual"],
        ["vision", "vision"],
      ],
    )
  })
})
