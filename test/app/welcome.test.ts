import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Console, DateTime, Effect, Layer, Redacted, Result } from "effect"
import { OnTerminal, welcome } from "../../src/app/welcome.ts"
import { AdminTokens } from "../../src/auth/AdminTokens.ts"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import { emptyFile } from "../../src/config/GatewayFile.ts"
import { mergeGatewayConfig } from "../../src/config/merge-gateway-config.ts"
import { Settings } from "../../src/config/Settings.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import { OperatorsUrl } from "../../src/http/OperatorsUrl.ts"
import { capturedConsole } from "../support/captured-console.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { eventually } from "../support/process-watch.ts"

const SECRET = "gwk_the-secret"
const key = {
  id: KeyId.make("dwWrL4jGrrLT"),
  name: "demo",
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
  team: null,
  tags: [],
  models: null,
  mayIssue: false,
  budgets: [],
  createdAt: DateTime.makeUnsafe(0),
  expiresAt: null,
  revokedAt: null,
  state: "active" as const,
  previousSecretUntil: null,
  parentId: null,
}

/** Greets, on a terminal or not, where there are `keys` already. Returns what was printed. */
const greet = (
  dataDir: string,
  onTerminal: boolean,
  keys: ReadonlyArray<typeof key> = [],
  settings: Parameters<typeof Settings.layerTest>[0] = {},
) => {
  const { console, output } = capturedConsole()
  const world = Layer.mergeAll(
    OperatorsUrl.layer,
    Layer.mock(ApiKeys, {
      list: () => Effect.succeed({ keys, nextCursor: null }),
      create: () => Effect.succeed({ key, secret: Redacted.make(SECRET) }),
    }),
    AdminTokens.layer,
  ).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(Settings.layerTest({ ...settings, dataDir })),
  )
  return welcome.pipe(
    Effect.provide(world),
    Effect.provideService(OnTerminal, onTerminal),
    Effect.provideService(Console.Console, console),
    Effect.map(() => output.stdout),
  )
}

const withFolder = <A, E, R>(use: (folder: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "gateway-welcome-"))),
    use,
    (folder) => Effect.promise(() => rm(folder, { recursive: true })),
  )

const fileIn = (folder: string) => join(folder, "first-start.txt")
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/

describe("every start", () => {
  it.live("names a vendor that is off although its key is set, and what it lacks, and no other", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        const gateway = Result.getOrThrow(
          mergeGatewayConfig(emptyFile, {
            apiKeys: new Map(
              ["GROQ_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"].map((name) => [name, Redacted.make("k")]),
            ),
            baseUrls: {
              openai: "https://openai.test/v1",
              gemini: "https://gemini.test",
              anthropic: "https://anthropic.test",
            },
            variables: new Map(),
          }),
        )
        const shown = yield* greet(folder, false, [key], { gateway })
        assert.include(
          shown,
          "\n  providers  groq\n  off        bedrock: AWS_REGION or AWS_BEDROCK_BASE_URL is not set\n  docs ",
        )
      }),
    ),
  )
})

describe("a first start", () => {
  it.live("on a terminal shows the key and the token, and leaves no file", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        const shown = yield* greet(folder, true)
        assert.include(shown, `API key      ${SECRET}`)
        assert.match(shown, TOKEN)
        assert.strictEqual(yield* Effect.promise(() => stat(fileIn(folder)).catch(() => "none")), "none")
      }),
    ),
  )

  it.live("elsewhere puts them into a file of their owner's, which the log names", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        const file = fileIn(folder)
        // One that everybody may read, and keeps open.
        yield* Effect.promise(() => writeFile(file, "", { mode: 0o644 }))
        const shown = yield* greet(folder, false)
        assert.include(shown, file)
        assert.notInclude(shown, SECRET)
        assert.notMatch(shown, TOKEN)
        const text = yield* Effect.promise(() => readFile(file, "utf8"))
        assert.include(text, `API key      ${SECRET}`)
        assert.match(text, TOKEN)
        assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
      }),
    ),
  )

  it.live("whose file cannot be written prints neither", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        const shown = yield* greet(join(folder, "missing"), false)
        assert.notInclude(shown, SECRET)
        assert.include(shown, "listening on")
      }),
    ),
  )

  it.live("is none when there is a key", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        assert.notInclude(yield* greet(folder, true, [key]), "First start")
      }),
    ),
  )
})

describe("a gateway whose output is a pipe", () => {
  let gateway: GatewayProcess
  beforeAll(async () => {
    gateway = await GatewayProcess.start()
  })
  afterAll(() => gateway?.stop())

  it.live("leaves a key that works in its file", () =>
    Effect.promise(async () => {
      const named = () => /are in (\S+),/.exec(gateway.stdout)?.[1]
      await eventually(() => named() !== undefined)
      const text = await readFile(named() ?? "", "utf8")
      const [, apiKey = ""] = /API key {6}(\S+)/.exec(text) ?? []
      // An embedded database that has just started may be slow on a busy machine.
      await eventually(async () => (await gateway.infer(apiKey, { prompt: "Hi" })).status === 200, 20_000)
      const [token = ""] = TOKEN.exec(text) ?? []
      const usage = () =>
        fetch(`${gateway.url}/analytics/usage-by-key`, { headers: { authorization: `Bearer ${token}` } })
      await eventually(async () => (await usage()).status === 200, 20_000)
      assert.notInclude(gateway.stdout + gateway.stderr, "gwk_")
      assert.notMatch(gateway.stdout + gateway.stderr, TOKEN)
    }),
  )
})
