import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { runCli } from "./run-cli.ts"

/** What a terminal obeys: clear the screen, in the codes of seven and of eight bits, and a line of one's own. */
const NASTY = "a\u001b[2Jb\u009b2Jc\nid        forged\u007f"

const operator = Effect.map(migratedPostgresUrl, (url) => {
  const env = { DATABASE_URL: Redacted.value(url), ADMIN_JWT_SECRET }
  return { url, keys: (...args: ReadonlyArray<string>) => runCli(["keys", ...args], env, "/") }
})

describe("keys", () => {
  it.live("of whatever name cannot command the terminal they are shown on", () =>
    Effect.gen(function* () {
      const { url, keys } = yield* operator
      yield* SqlClient.SqlClient.use(
        (sql) => sql`
          INSERT INTO api_keys (id, name, secret_hash, models) VALUES ('nastynastyna', ${NASTY}, 'x', ${[NASTY]})`,
      ).pipe(Effect.provide(PgClient.layer({ url })))
      for (const args of [["list"], ["show", "nastynastyna"]]) {
        const text = yield* keys(...args)
        assert.strictEqual(text.code, 0)
        assert.include(text.stdout, "a\\u001b[2Jb\\u009b2Jc\\u000aid        forged\\u007f")
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
        assert.notMatch(text.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]|^id {8}forged/m)
      }
      const json = yield* keys("show", "nastynastyna", "--json")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
      assert.notMatch(json.stdout.trimEnd(), /[\u0000-\u001f\u007f-\u009f]/)
      assert.deepInclude(JSON.parse(json.stdout), { name: NASTY, models: [NASTY] })
    }),
  )

  it.live("are not created with control characters, too much text or too many models", () =>
    Effect.gen(function* () {
      const { keys } = yield* operator
      for (const [flag, args] of [
        ["name", ["--name", "a\0b"]],
        ["name", ["--name", "\u001b[2J"]],
        ["name", ["--name", "x".repeat(129)]],
        ["models", ["--name", "x", "--models", "a,b\u0007"]],
        ["models", ["--name", "x", "--models", "a,,b"]],
        ["models", ["--name", "x", "--models", "x".repeat(257)]],
        ["models", ["--name", "x", "--models", Array.from({ length: 101 }, () => "a").join(",")]],
      ] as const) {
        const { code, stderr, stdout } = yield* keys("create", ...args)
        assert.notStrictEqual(code, 0)
        assert.include(stderr + stdout, `--${flag}`)
        assert.notMatch(stderr + stdout, /database/i)
      }
      assert.include((yield* keys("list")).stdout, "There are no API keys yet")
      assert.strictEqual((yield* keys("create", "--name", "x", "--models", "auto, openai/*")).code, 0)
      assert.include((yield* keys("list", "--search", "OPENAI", "--active")).stdout, " active ")
      for (const args of [["--no-active"], ["--search", "ollama"]])
        assert.strictEqual((yield* keys("list", ...args)).stdout, "No API key is like that.\n")
    }),
  )

  it.live(
    "are not created for a model that nobody has, which is said with the nearest that somebody has",
    () =>
      Effect.gen(function* () {
        const { keys } = yield* operator
        const { code, stderr } = yield* keys("create", "--name", "x", "--models", "auto,gtp-5.4-mini")
        assert.strictEqual(code, 1)
        assert.include(stderr, "--models gtp-5.4-mini")
        assert.include(stderr, "Did you mean gpt-5.4-mini?")
      }),
  )
})
