import { once } from "node:events"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { presets } from "../../src/catalog/vendors.ts"
import { temporaryDirectory } from "../support/Databases.ts"
import { ofAllVendors, withPrices } from "./price-lists.ts"
import { runCli } from "./run-cli.ts"

const TODAY = Date.UTC(2026, 10, 28, 12)

/** A folder with a data directory, and how to run commands there. */
const operator = Effect.fnUntraced(function* (yaml = "") {
  const folder = yield* temporaryDirectory
  const config = join(folder, "gateway.yaml")
  yield* Effect.promise(() => writeFile(config, yaml))
  yield* TestClock.setTime(TODAY)
  const env = {
    OPENAI_API_KEY: "sk-of-a-test",
    GEMINI_API_KEY: "of-a-test",
    ANTHROPIC_API_KEY: "of-a-test",
    GATEWAY_CONFIG: config,
  }
  const run = (...args: ReadonlyArray<string>) => runCli(["prices", ...args], env, folder)
  const list = join(folder, "data.json")
  return {
    run,
    kept: (name = "") => join(folder, "data/prices", name),
    /** Updates from a file with this list. */
    update: (data: unknown, ...args: ReadonlyArray<string>) =>
      Effect.andThen(
        Effect.promise(() => writeFile(list, typeof data === "string" ? data : JSON.stringify(data))),
        run("update", "--file", list, ...args),
      ),
    /** Input price and layer of a model, as `prices list` has them. */
    priceOf: (name: string) =>
      Effect.map(run("list", "--json"), ({ stdout, stderr }) => {
        const { models } = JSON.parse(stdout) as {
          models: ReadonlyArray<{
            provider: string
            model: string
            price: { layer: string; input_usd_per_1m: number }
          }>
        }
        const found = models.find(({ provider, model }) => `${provider}/${model}` === name)?.price
        return { layer: found?.layer, input: found?.input_usd_per_1m, stderr }
      }),
  }
})

const serve = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer(listener).listen(0, "127.0.0.1")
      await once(server, "listening")
      return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/data.json` }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      }),
  )

/** o3 costs 2 USD, and 10 until June 2025. */
const o3 = (usd: number) => [
  { prices: { input_mtok: 10, cache_read_mtok: 0.5, output_mtok: 40 } },
  {
    constraint: { type: "start_date", start_date: "2025-06-10" },
    prices: { input_mtok: usd, cache_read_mtok: 0.5, output_mtok: 8 },
  },
]

describe("prices update", () => {
  it.effect("keeps what it reads, over the built-in prices and under the file's", () =>
    Effect.gen(function* () {
      const { update, priceOf, run, kept } = yield* operator(
        "prices: [{ provider: openai, model: o3-2025-04-16, input_usd_per_1m: 1.8, output_usd_per_1m: 7, source: contract, as_of: 2026-01-01 }]",
      )
      const heard = o3(2.5).map((each) => ({ ...each, prices: { ...each.prices, audio_hours: 3 } }))
      const { code, stdout } = yield* update(withPrices({ o3: heard }))
      assert.strictEqual(code, 0)
      assert.match(
        stdout,
        /^Prices of \d+ models kept, from .*data\.json\. A gateway takes them at its next start/,
      )
      assert.include(stdout, "Not in it, and left as they are: gemini/gemini-flash-latest")
      assert.match(stdout, /audio_hours of 2 models: no answer counts it/)
      assert.deepInclude(yield* priceOf("openai/o3"), { layer: "update", input: 2.5 })
      assert.deepInclude(yield* priceOf("openai/o3-2025-04-16"), { layer: "file", input: 1.8 })
      assert.deepInclude(yield* priceOf("gemini/gemini-flash-latest"), { layer: "built-in", input: 0.75 })
      const shown = (yield* run("show", "openai/o3")).stdout
      assert.match(shown, / {2}update: holds from 2025-06-10\n/)
      assert.match(shown, / {2}built-in: overridden by update from 2025-06-10\n/)
      assert.match(shown, /price version: genai-prices [0-9a-f]{12}@2026-11-28 from 2025-06-10\n/)
      const { source, fetched_at } = JSON.parse(
        yield* Effect.promise(() => readFile(kept("current.json"), "utf8")),
      )
      assert.match(source, /data\.json$/)
      assert.strictEqual(fetched_at, "2026-11-28T12:00:00.000Z")
    }),
  )

  it.effect("keeps those of other vendors that are on, under their names", () =>
    Effect.gen(function* () {
      const listed = presets.filter(({ models }) => models.length > 0)
      const { kept, priceOf, update } = yield* operator(
        `providers: [${listed
          .map(({ name }) => `{ preset: ${name}, base_url: "http://x", api_key_env: OPENAI_API_KEY }`)
          .join(", ")}]`,
      )
      const { code, stderr, stdout } = yield* update(ofAllVendors(), "--json")
      assert.strictEqual(code, 0, stderr)
      assert.deepInclude(yield* priceOf("groq/openai/gpt-oss-120b"), { layer: "update", input: 0.15 })
      assert.deepInclude(yield* priceOf("vertex/gemini-2.5-pro"), { layer: "update", input: 1.25 })
      // It costs twice as much at some hours, which no row can say.
      assert.deepInclude(yield* priceOf("deepseek/deepseek-v4-pro"), { layer: "built-in", input: 1.32 })
      const { inexpressible, jumps, missing } = JSON.parse(stdout) as Record<string, ReadonlyArray<string>>
      assert.deepStrictEqual(jumps, [])
      assert.deepStrictEqual(missing, [
        "gemini/gemini-flash-latest",
        "anthropic/claude-haiku-5-5",
        "deepseek/deepseek-flash",
        "together/openai/gpt-oss-120b",
        "together/deepseek-ai/DeepSeek-V4-Flash-0731",
      ])
      assert.deepStrictEqual(inexpressible, [
        "deepseek/deepseek-v4-pro: prices by the time of day",
        "deepseek/deepseek-v4-flash: prices by the time of day",
      ])
      assert.include(yield* Effect.promise(() => readFile(kept("current.json"), "utf8")), '"provider":"xai"')
    }),
  )

  it.effect("takes nothing when a price changes by more than a factor of two, unless told to", () =>
    Effect.gen(function* () {
      const { update, priceOf, kept } = yield* operator()
      const dear = withPrices({ o3: o3(4.1) })
      const refused = yield* update(dear)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "openai/o3: input 2 -> 4.1 USD from 2025-06-10 on")
      assert.include(refused.stderr, "--allow-jumps")
      assert.deepInclude(yield* priceOf("openai/o3"), { layer: "built-in", input: 2 })
      const { code, stdout } = yield* update(dear, "--allow-jumps", "--json")
      assert.strictEqual(code, 0)
      assert.deepInclude(JSON.parse(stdout), {
        jumps: [
          "openai/o3: input 2 -> 4.1 USD from 2025-06-10 on",
          "openai/o3-2025-04-16: input 2 -> 4.1 USD from 2025-06-10 on",
        ],
        missing: ["gemini/gemini-flash-latest", "anthropic/claude-haiku-5-5"],
        inexpressible: [],
      })
      assert.deepInclude(yield* priceOf("openai/o3"), { layer: "update", input: 4.1 })
      // From where it is now, the next one may go as far again.
      assert.strictEqual((yield* update(withPrices({ o3: o3(8) }))).code, 0)
      assert.deepStrictEqual((yield* Effect.promise(() => readdir(kept()))).toSorted(), [
        "current.json",
        "previous.json",
      ])
    }),
  )

  it.effect("takes nothing of a list that is wrong, and names every fault", () =>
    Effect.gen(function* () {
      const { update, kept } = yield* operator()
      const { code, stderr } = yield* update(
        withPrices({ o3: { input_mtok: "2" }, "gpt-5": { input_mtok: 5_000 } }),
      )
      assert.strictEqual(code, 1)
      assert.include(stderr, "openai: o3: prices.input_mtok must be a number, or base and tiers")
      for (const [data, message] of [
        [
          withPrices({ "gpt-5": { input_mtok: 5_000 } }),
          "openai/gpt-5: input_usd_per_1m must be a price from 0 to 4000 USD",
        ],
        ["{", "is not valid JSON"],
        ["[]", "has no provider openai"],
      ] as const) {
        assert.include((yield* update(data)).stderr, message)
      }
      assert.isEmpty(yield* Effect.promise(() => readdir(kept()).catch(() => [])))
    }),
  )

  it.effect("is taken back to the one before, and then to what is built in", () =>
    Effect.gen(function* () {
      const { update, priceOf, run } = yield* operator()
      yield* update(withPrices({ o3: o3(2.5) }))
      yield* update(withPrices({ o3: o3(3) }))
      assert.deepInclude(yield* priceOf("openai/o3"), { layer: "update", input: 3 })
      assert.include((yield* run("update", "--rollback")).stdout, "hold again, from")
      assert.deepInclude(yield* priceOf("openai/o3"), { layer: "update", input: 2.5 })
      assert.include((yield* run("update", "--rollback")).stdout, "The built-in prices hold again")
      assert.deepInclude(yield* priceOf("openai/o3"), { layer: "built-in", input: 2 })
    }),
  )

  it.effect(
    "that can no longer be read gives way to the one before it, with a warning, and is not kept as the last good one",
    () =>
      Effect.gen(function* () {
        const { update, priceOf, kept } = yield* operator()
        yield* update(withPrices({ o3: o3(2.5) }))
        yield* update(withPrices({ o3: o3(3) }))
        yield* Effect.promise(() => writeFile(kept("current.json"), '{"source":'))
        const { stderr, ...found } = yield* priceOf("openai/o3")
        assert.deepStrictEqual(found, { layer: "update", input: 2.5 })
        assert.include(stderr, "current.json cannot be read: those of 2026-11-28T12:00:00.000Z hold")
        yield* update(withPrices({ o3: o3(2.2) }))
        yield* Effect.promise(() => writeFile(kept("current.json"), "[]"))
        assert.deepInclude(yield* priceOf("openai/o3"), { layer: "update", input: 2.5 })
        yield* Effect.promise(() => writeFile(kept("previous.json"), "[]"))
        const none = yield* priceOf("openai/o3")
        assert.deepInclude(none, { layer: "built-in", input: 2 })
        assert.include(none.stderr, "the built-in ones hold")
      }),
  )

  it.effect("gives way to a built-in list that was read on a later day, and says so", () =>
    Effect.gen(function* () {
      const { update, priceOf } = yield* operator()
      for (const asOf of [[], ["--as-of", "2026-11-27"]]) {
        yield* TestClock.setTime(asOf.length === 0 ? Date.UTC(2026, 10, 27) : TODAY)
        const { stdout } = yield* update(withPrices({ o3: o3(2.5) }), ...asOf)
        assert.match(stdout, /^Prices of 0 models kept/)
        assert.include(
          stdout,
          "Built in from a later day, and left as they are:\nopenai/o3: genai-prices 0.1.8 of 2026-11-28",
        )
        assert.deepInclude(yield* priceOf("openai/o3"), { layer: "built-in", input: 2 })
      }
      for (const day of ["tomorrow", "2026-11-29"]) {
        assert.include((yield* update(withPrices({}), "--as-of", day)).stderr, "--as-of must be a day")
      }
    }),
  )

  it.effect("does not overrule what was built in from elsewhere, until the list has heard of that day", () =>
    Effect.gen(function* () {
      const { update, run } = yield* operator()
      const cached = Effect.map(run("list", "--json"), ({ stdout }) => {
        const { models } = JSON.parse(stdout) as {
          models: ReadonlyArray<{ model: string; price: { layer: string; cached_input_usd_per_1m: number } }>
        }
        const { layer, cached_input_usd_per_1m } =
          models.find(({ model }) => model === "claude-sonnet-5-5")?.price ?? {}
        return [layer, cached_input_usd_per_1m]
      })
      const { stdout } = yield* update(withPrices({}), "--json")
      assert.deepStrictEqual(JSON.parse(stdout).older, [
        "anthropic/claude-sonnet-5-5: LiteLLM 1.110.2 of 2026-11-28",
      ])
      assert.deepStrictEqual(yield* cached, ["built-in", 0.1])
      const sonnet = (usd: number) => ({ input_mtok: 2, cache_read_mtok: usd, output_mtok: 10 })
      const heard = [
        { prices: sonnet(0.2) },
        { constraint: { start_date: "2026-10-07" }, prices: sonnet(0.12) },
      ]
      const id = "claude-sonnet-5-5"
      const list = withPrices({}).map((provider) =>
        provider.id === "anthropic"
          ? { ...provider, models: [{ id, match: { equals: id }, prices: heard }, ...provider.models] }
          : provider,
      )
      assert.deepStrictEqual(JSON.parse((yield* update(list, "--json")).stdout).older, [])
      assert.deepStrictEqual(yield* cached, ["update", 0.12])
    }),
  )
})

describe("prices update --url", () => {
  it.effect("fetches the list", () =>
    Effect.gen(function* () {
      const { run, priceOf } = yield* operator()
      const { url } = yield* serve((_, response) => response.end(JSON.stringify(withPrices({ o3: o3(2.5) }))))
      const { code, stdout } = yield* run("update", "--url", url)
      assert.strictEqual(code, 0)
      assert.include(stdout, url)
      assert.deepInclude(yield* priceOf("openai/o3"), { layer: "update", input: 2.5 })
    }),
  )

  it.effect(
    "follows no redirect, takes no other answer than 200, and reads no more than a list may have",
    () =>
      Effect.gen(function* () {
        const { run, kept } = yield* operator()
        let asked = 0
        const elsewhere = yield* serve((_, response) => {
          asked++
          response.end("[]")
        })
        for (const [listener, message] of [
          [
            (_, response) => response.writeHead(302, { location: elsewhere.url }).end(),
            "sends elsewhere, which is not followed",
          ],
          [(_, response) => response.writeHead(404).end("no"), "answered with 404"],
          [(_, response) => response.end(" ".repeat(17 * 1024 * 1024)), "has more than 16777216 bytes"],
          [(request) => request.socket.destroy(), "did not answer"],
        ] as ReadonlyArray<readonly [RequestListener, string]>) {
          const { url } = yield* serve(listener)
          const { code, stderr } = yield* run("update", "--url", url)
          assert.strictEqual(code, 1)
          assert.include(stderr, message)
        }
        assert.strictEqual(asked, 0)
        assert.isEmpty(yield* Effect.promise(() => readdir(kept()).catch(() => [])))
      }),
  )

  it.effect("takes an address only where nobody can change the answer on its way", () =>
    Effect.gen(function* () {
      const { run } = yield* operator()
      for (const url of [
        "http://prices.example/data.json",
        "file:///etc/passwd",
        "data:application/json,[]",
        "x",
      ]) {
        assert.include((yield* run("update", "--url", url)).stderr, "--url must be an https:// address")
      }
    }),
  )
})
