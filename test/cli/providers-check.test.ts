import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer, type RequestListener, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { presets } from "../../src/catalog/vendors.ts"
import { FakeVendors, GOOD_KEY, vendorEnvironment, vendorFixtures } from "../support/FakeVendors.ts"
import { runCli } from "./run-cli.ts"

let fakes: FakeVendors
let folder: string

beforeAll(async () => {
  fakes = await FakeVendors.start()
  folder = await mkdtemp(join(tmpdir(), "providers-check-"))
})
afterAll(async () => {
  await fakes?.stop()
  await rm(folder, { recursive: true, force: true })
})

const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.runPromise(runCli(["providers", ...args], env, folder))

const inFile = async (yaml: string): Promise<Record<string, string>> => {
  const file = join(folder, `${crypto.randomUUID()}.yaml`)
  await writeFile(file, yaml)
  return { GATEWAY_CONFIG: file }
}

interface Listed {
  readonly name: string
  readonly status: string
  readonly missing?: ReadonlyArray<string>
  readonly [field: string]: unknown
}

const checked = (stdout: string) => (JSON.parse(stdout) as { providers: ReadonlyArray<Listed> }).providers

/** Something on loopback that is no vendor, for as long as it is used. */
const withServer = async (serve: RequestListener, use: (url: string) => Promise<void>) => {
  const server: Server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).finally(() => {
    server.closeAllConnections()
    server.close()
  })
}

const GROQ = { GROQ_API_KEY: GOOD_KEY }

describe("providers list", () => {
  it("names what is on, and for every other vendor the variable that is missing", async () => {
    const { code, stdout } = await run(["list"], GROQ)
    assert.strictEqual(code, 0)
    assert.match(
      stdout,
      /^on {2}groq {2}groq {2}chat,responses {2}https:\/\/api\.groq\.com\/openai\/v1 {2}2 models$/m,
    )
    assert.match(stdout, /^off {2}openai +OPENAI_API_KEY is not set$/m)
    assert.match(stdout, /^off {2}mistral +MISTRAL_API_KEY is not set$/m)
    assert.match(stdout, /^off {2}ollama +its models are yours: list them under preset: ollama/m)
    assert.notInclude(stdout, GOOD_KEY)
  })

  it("says as JSON which models each has, and which variable of an address is missing", async () => {
    const { stdout } = await run(["list", "--json"], { ...GROQ, AWS_BEARER_TOKEN_BEDROCK: "x" })
    const { providers } = JSON.parse(stdout) as { providers: ReadonlyArray<Record<string, unknown>> }
    assert.deepInclude(providers[0], { name: "groq", on: true, vendor: "groq" })
    assert.include(providers[0]?.models, "openai/gpt-oss-120b")
    assert.deepInclude(
      providers.find(({ name }) => name === "bedrock"),
      { on: false, why: "AWS_REGION or AWS_BEDROCK_BASE_URL is not set" },
    )
  })
})

describe("providers check", () => {
  it("finds every vendor well whose key is good, at its list of models and nowhere else", async () => {
    const file = await inFile(
      `providers: [${presets
        .filter(({ models }) => models.length === 0)
        .map(({ name }) => `{ preset: ${name}, models: [{ name: m }] }`)
        .join(", ")}]`,
    )
    const { code, stderr, stdout } = await run(["check", "--json"], { ...vendorEnvironment(fakes), ...file })
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(
      new Map(checked(stdout).map(({ name, status }) => [name, status])),
      new Map(
        vendorFixtures
          .toSorted((a, b) => Number(b.preset.models.length > 0) - Number(a.preset.models.length > 0))
          .map(({ fixture, preset }) => [preset.name, fixture.models === undefined ? "unchecked" : "ok"]),
      ),
    )
    assert.deepStrictEqual(fakes.strays, [])
    assert.notInclude(stdout, GOOD_KEY)
  })

  it("names what is configured and not in the list, which fails nothing", async () => {
    const listed = await inFile(
      "providers: [{ preset: groq, models: [{ name: openai/gpt-oss-20b }, { name: a }, { name: b }] }]",
    )
    const { code, stdout } = await run(["check", "groq"], { ...GROQ, ...listed, GROQ_BASE_URL: groqUrl() })
    assert.strictEqual(code, 0)
    assert.match(stdout, /^ok {2}groq {2}\d+ ms, 2 models; not in its list: a, b$/m)
  })

  it("fails for keys that are refused, in whatever words, and shows none", async () => {
    const keyed = vendorFixtures.filter(({ fixture }) => fixture.models !== undefined && fixture.refusedKey)
    const bad = "bad-key-of-tests-that-nobody-may-see"
    const env = Object.fromEntries(
      keyed.flatMap(({ preset }) => [
        [preset.baseUrlEnv, fakes.baseUrl(preset)],
        [preset.apiKeyEnv ?? "", bad],
      ]),
    )
    const { code, stderr, stdout } = await run(["check", "--json"], env)
    assert.strictEqual(code, 1)
    assert.lengthOf(checked(stdout), keyed.filter(({ preset }) => preset.models.length > 0).length)
    for (const { name, status } of checked(stdout)) assert.strictEqual(status, "wrong key", name)
    assert.include(stderr, "providers would not answer.")
    assert.notInclude(stdout + stderr, bad)
  })

  it("tries each key of a pool, by its name", async () => {
    const pool = await inFile(
      "providers: [{ preset: groq, api_keys: [{ env: KEY_ONE, name: search }, { env: KEY_TWO }] }]",
    )
    const bad = "bad-key-of-tests-that-nobody-may-see"
    const env = { ...pool, KEY_ONE: GOOD_KEY, KEY_TWO: bad, GROQ_BASE_URL: groqUrl() }
    const json = await run(["check", "--json"], env)
    assert.strictEqual(json.code, 1)
    assert.deepStrictEqual(
      checked(json.stdout).map(({ key, name, status }) => [name, key, status]),
      [
        ["groq", "search", "ok"],
        ["groq", "KEY_TWO", "wrong key"],
      ],
    )
    const { stderr, stdout } = await run(["check", "groq"], env)
    assert.match(stdout, /^ok +groq \(search\) +\d+ ms, /m)
    assert.match(stdout, /^wrong key {2}groq \(KEY_TWO\) +the key was refused/m)
    assert.include(stderr, "1 of 1 provider would not answer, or not with each key.")
    for (const text of [json.stdout, json.stderr, stdout, stderr]) {
      assert.notInclude(text, bad)
      assert.notInclude(text, GOOD_KEY)
    }
  })

  it("works for openai, gemini and anthropic", async () => {
    const serve: RequestListener = ({ headers, url }, response) => {
      const openAi = url === "/v1/models" && headers.authorization === `Bearer ${GOOD_KEY}`
      const gemini = url === "/v1beta/models?pageSize=1000" && headers["x-goog-api-key"] === GOOD_KEY
      const claude =
        url === "/v1/models?limit=1000" &&
        headers["x-api-key"] === GOOD_KEY &&
        headers["anthropic-version"] === "2023-06-01"
      response.writeHead(openAi || gemini || claude ? 200 : 401, { "content-type": "application/json" })
      response.end(
        JSON.stringify(
          gemini
            ? { models: [{ name: "models/gemini-2.5-pro" }] }
            : { data: [{ id: openAi ? "gpt-5.4" : "claude-opus-5" }] },
        ),
      )
    }
    await withServer(serve, async (url) => {
      const { code, stdout } = await run(["check", "--json"], {
        OPENAI_API_KEY: GOOD_KEY,
        OPENAI_BASE_URL: `${url}/v1`,
        GEMINI_API_KEY: GOOD_KEY,
        GEMINI_BASE_URL: url,
        ANTHROPIC_API_KEY: GOOD_KEY,
        ANTHROPIC_BASE_URL: url,
      })
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(
        checked(stdout).map(({ listed, name, status }) => [name, status, listed]),
        [
          ["openai", "ok", 1],
          ["gemini", "ok", 1],
          ["anthropic", "ok", 1],
        ],
      )
      assert.notInclude(checked(stdout)[0]?.missing ?? [], "gpt-5.4")
      assert.notInclude(checked(stdout)[1]?.missing ?? [], "gemini-2.5-pro")
      assert.notInclude(checked(stdout)[2]?.missing ?? [], "claude-opus-5")
    })
  })

  it.each<[what: string, serve: RequestListener, says: RegExp]>([
    [
      "a redirect, with the key on it",
      (_, response) => response.writeHead(302, { location: groqUrl() }).end(),
      /^failed .* status 302, and no redirect is followed$/m,
    ],
    [
      "a page",
      (_, response) => response.end("<html>"),
      /^failed .* no list of models: is the address right\?$/m,
    ],
    [
      "too much",
      (_, response) => response.end(`{"data":"${"x".repeat(9 * 1024 * 1024)}"}`),
      /^failed .* more than 8388608 bytes$/m,
    ],
    ["a connection that breaks", (request) => request.destroy(), /^unreachable /m],
  ])("fails for %s", async (_, serve, says) => {
    await withServer(serve, async (url) => {
      const { code, stdout } = await run(["check"], { ...GROQ, GROQ_BASE_URL: url })
      assert.strictEqual(code, 1)
      assert.match(stdout, says)
    })
  })

  it("says of a name that it is off and why, or that nobody has it", async () => {
    const off = await run(["check", "mistral"], GROQ)
    assert.deepStrictEqual(
      [off.code, off.stderr.includes("mistral is off: MISTRAL_API_KEY is not set.")],
      [1, true],
    )
    const nobody = await run(["check", "nobody"], GROQ)
    assert.deepStrictEqual([nobody.code, nobody.stderr.includes("There are: groq")], [1, true])
  })
})

const groqUrl = () => {
  const found = presets.find(({ name }) => name === "groq")
  return found === undefined ? "" : fakes.baseUrl(found)
}
