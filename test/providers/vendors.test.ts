import { Effect, Schema } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Price } from "../../src/catalog/model.ts"
import { Preset } from "../../src/catalog/preset.ts"
import { presets } from "../../src/catalog/vendors.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import {
  eventsOf,
  FakeVendors,
  modelOf,
  NO_MODEL,
  NO_SUCH,
  type OtherDialect,
  TEXT,
  vendorEnvironment,
  vendorFixtures,
} from "../support/FakeVendors.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { eventually } from "../support/process-watch.ts"

/** Every row of `catalog/vendors.ts` over HTTP, against what the vendor's documents say that it answers. */

let fakes: FakeVendors
let gateway: GatewayInProcess
let key: string

const OTHERS: ReadonlyArray<OtherDialect> = ["messages", "responses"]

/** Each endpoint of another dialect, with the vendor that has it. */
const endpoints = vendorFixtures.flatMap(({ fixture, preset }) =>
  OTHERS.flatMap((dialect) => {
    const there = fixture.dialects?.[dialect]
    return there === undefined
      ? []
      : [{ preset, dialect, there, refusesKeys: fixture.refusedKey !== undefined }]
  }),
)

/**
 * Those that only a file turns on, and each once more with a wrong key and a model that is not there; and each for its other
 * dialects in the same ways.
 */
const config = `providers:
${endpoints
  .flatMap(({ dialect, preset: { apiKeyEnv, name }, there: { model } }) => [
    `  - { preset: ${name}, name: ${name}-${dialect}, models: [{ name: "${model}" }] }`,
    `  - { preset: ${name}, name: ${name}-${dialect}-less, models: [{ name: "${model}${NO_SUCH}" }] }`,
    ...(apiKeyEnv === undefined
      ? []
      : [
          `  - { preset: ${name}, name: ${name}-${dialect}-wrong, api_key_env: WRONG_KEY, models: [{ name: "${model}" }] }`,
        ]),
  ])
  .join("\n")}
${presets
  .flatMap(({ apiKeyEnv, models, name }) => [
    ...(models.length === 0 ? [`  - { preset: ${name}, models: [{ name: m }] }`] : []),
    `  - { preset: ${name}, name: ${name}-less, models: [{ name: ${NO_MODEL} }] }`,
    ...(apiKeyEnv === undefined
      ? []
      : [`  - { preset: ${name}, name: ${name}-wrong, api_key_env: WRONG_KEY, models: [{ name: m }] }`]),
  ])
  .join("\n")}
`

beforeAll(async () => {
  fakes = await FakeVendors.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config,
    env: { ...vendorEnvironment(fakes), WRONG_KEY: "wrong-key-of-tests" },
  })
  ;({ key } = await gateway.createKey({ rpm: 10_000 }))
})
afterAll(async () => {
  await gateway?.stop()
  await fakes?.stop()
})

const ask = (model: string, more: object = {}) => gateway.infer(key, { prompt: "Hello", model, ...more })

interface Answer {
  readonly output: string
  readonly cost: number | null
  readonly usage: Readonly<Record<string, number>>
}

const read = ({ cost, output, usage }: Answer) => ({
  output,
  isPriced: cost !== null,
  usage: {
    inputTokens: usage.input_tokens,
    outputTokens: usage.output_tokens,
    cachedTokens: usage.cached_tokens,
  },
})

describe("the table of vendors", () => {
  it("keeps to its schema, and chooses for auto what it serves", () => {
    const decode = Schema.decodeUnknownSync(Schema.toType(Preset), { errors: "all" })
    for (const preset of presets) {
      decode(preset)
      const names = preset.models.map(({ name }) => name)
      assert.strictEqual(new Set(names).size, names.length, preset.name)
      assert.includeMembers(names, [...preset.auto])
      assert.strictEqual(preset.auto.length, names.length > 0 ? 1 : 0, preset.name)
      for (const { contextWindow, price } of preset.models) {
        assert(contextWindow !== undefined && price !== undefined, preset.name)
        assert.isAtMost(price.cachedInputNanoPer1M, price.inputNanoPer1M)
      }
      const { fixture } = vendorFixtures.find((each) => each.preset === preset) ?? assert.fail(preset.name)
      assert.sameMembers(Object.keys(fixture.dialects ?? {}), Object.keys(preset.dialects ?? {}))
    }
    const variables = presets.flatMap(({ apiKeyEnv, baseUrlEnv }) => [apiKeyEnv ?? [], baseUrlEnv].flat())
    assert.strictEqual(new Set(variables).size, variables.length)
  })
})

describe.each(vendorFixtures)("$preset.name", ({ fixture, preset }) => {
  const { name } = preset
  const model = `${name}/${modelOf(preset)}`

  const expected = { output: TEXT, isPriced: preset.models.length > 0, usage: fixture.usage }

  it("answers whole, with what it used", async () => {
    const response = await ask(model)
    const body = await response.text()
    assert.strictEqual(response.status, 200, body)
    assert.deepStrictEqual(read(JSON.parse(body) as Answer), expected)
  })

  it("streams, with what it used, and refuses nothing", async () => {
    const response = await ask(model, { stream: true })
    const text = await response.text()
    assert.strictEqual(response.status, 200, text)
    const events = text.split("\n\n").flatMap((event) => /^data: (\{.*)$/m.exec(event)?.[1] ?? [])
    assert.deepStrictEqual(read(JSON.parse(events.at(-1) ?? "") as Answer), expected)
    assert.notInclude(fakes.refused, name)
  })

  it("that lacks the model is the operator's trouble, and without its words", async () => {
    const response = await ask(`${name}-less/${NO_MODEL}`)
    assert.deepInclude(await response.json(), {
      status: 502,
      code: "upstream_error",
      detail: "The provider does not know a model that the gateway is configured with.",
    })
  })

  if (fixture.refusedKey !== undefined) {
    it("that refuses the key is the operator's trouble, and without its words", async () => {
      const response = await ask(`${name}-wrong/m`)
      assert.deepInclude(await response.json(), {
        status: 502,
        code: "upstream_auth",
        detail: "The provider refused the gateway's own credentials. Its operator has to act.",
      })
    })
  }

  it("is asked at no path that it does not have", () => {
    assert.deepStrictEqual(fakes.strays, [])
  })
})

/** A request as Claude Code or Codex writes it, and what the vendor is to get of it. */
const requests: Readonly<Record<OtherDialect, (model: string, streamed: boolean) => string>> = {
  messages: (model, streamed) =>
    `{"model": ${JSON.stringify(model)}, "max_tokens": 50, "odd": 1.0,${streamed ? ' "stream": true,' : ""} "messages": [{"role": "user", "content": "Hello"}]}`,
  responses: (model, streamed) =>
    JSON.stringify({
      model,
      input: "Hello",
      ...(streamed && { stream: true }),
      store: false,
      include: ["reasoning.encrypted_content"],
      prompt_cache_key: "k",
    }),
}

const paths = { messages: "/v1/messages", responses: "/v1/responses" } as const

describe.each(endpoints)("$preset.name in $dialect", ({ dialect, preset, refusesKeys, there }) => {
  const provider = `${preset.name}-${dialect}`

  const speak = (model: string, streamed: boolean) =>
    fetch(`${gateway.url}${paths[dialect]}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: requests[dialect](model, streamed),
    })

  const entry = async (response: Response) => {
    const id = response.headers.get("x-request-id")
    let row: Record<string, unknown> | undefined
    await eventually(async () => {
      row = (await gateway.ledger(1)).find((each) => each.request_id === id)
      return row !== undefined
    }, 10_000)
    return row ?? {}
  }

  const [known] = [...preset.models, ...preset.unserved].filter(({ name }) => name === there.model)

  it.each([false, true])(
    "passes on what came, to and fro, and accounts for it (streamed: %s)",
    async (streamed) => {
      fakes.asked.length = 0
      const response = await speak(`${provider}/${there.model}`, streamed)
      const text = await response.text()
      assert.strictEqual(response.status, 200, text)
      assert.strictEqual(text, streamed ? eventsOf(there.stream) : JSON.stringify(there.whole))
      const [asked = ""] = fakes.asked
      if (dialect === "messages") assert.strictEqual(asked, requests.messages(there.model, streamed))
      else {
        const sent = { model: there.model, input: "Hello", ...(streamed && { stream: true }), ...there.sends }
        assert.deepStrictEqual(JSON.parse(asked), sent)
      }
      const row = await entry(response)
      assert.deepInclude(row, {
        provider,
        model: there.model,
        input_tokens: there.usage.inputTokens,
        output_tokens: there.usage.outputTokens,
        usage_estimated: false,
      })
      assert.strictEqual(row.cost_usd, there.cost ?? costIn(known?.price, there.usage))
    },
  )

  it("that lacks the model, or refuses the key, is the operator's trouble", async () => {
    const less = await speak(`${provider}-less/${there.model}${NO_SUCH}`, false)
    assert.strictEqual(less.status, 502)
    assert.include(
      await less.text(),
      "The provider does not know a model that the gateway is configured with.",
    )
    if (!refusesKeys) return
    const wrong = await speak(`${provider}-wrong/${there.model}`, true)
    assert.strictEqual(wrong.status, 502)
    assert.include(await wrong.text(), "The provider refused the gateway's own credentials.")
  })
})

/** What tokens cost by a row without tiers and bands, in dollars. */
const costIn = (
  price: Price | undefined,
  { cachedTokens, inputTokens, outputTokens }: (typeof endpoints)[number]["there"]["usage"],
): number | null => {
  if (price === undefined) return null
  const { cachedInputNanoPer1M, inputNanoPer1M, outputNanoPer1M } = price
  const nano =
    (inputTokens - cachedTokens) * inputNanoPer1M +
    cachedTokens * cachedInputNanoPer1M +
    outputTokens * outputNanoPer1M
  return Math.ceil(nano / 1e6) / 1e9
}
