import { Effect, Schema } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Preset } from "../../src/catalog/preset.ts"
import { presets } from "../../src/catalog/vendors.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import {
  FakeVendors,
  modelOf,
  NO_MODEL,
  TEXT,
  vendorEnvironment,
  vendorFixtures,
} from "../support/FakeVendors.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** Every row of `catalog/vendors.ts` over HTTP, against what the vendor's documents say that it answers. */

let fakes: FakeVendors
let gateway: GatewayInProcess
let key: string

/** Those that only a file turns on, and each once more with a wrong key and a model that is not there. */
const config = `providers:
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
