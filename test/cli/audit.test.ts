import { hostname, userInfo } from "node:os"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { runCli } from "./run-cli.ts"

const operator = Effect.map(migratedPostgresUrl, (url) => {
  const env = { DATABASE_URL: Redacted.value(url), ADMIN_JWT_SECRET }
  return { url, cli: (...args: ReadonlyArray<string>) => runCli(args, env, "/") }
})

const me = `cli:${userInfo().username}@${hostname()}`

const claimsOf = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())

describe("audit", () => {
  it.live("shows what the command line changed, and by whom", () =>
    Effect.gen(function* () {
      const { cli } = yield* operator
      assert.include((yield* cli("audit")).stdout, "Nothing was changed.")
      const created = yield* cli("keys", "create", "--name", "shop", "--rpm", "60", "--json")
      const { id, key } = JSON.parse(created.stdout) as { id: string; key: string }
      yield* cli("keys", "rotate", id)
      yield* cli("keys", "revoke", id)
      const { code, stdout } = yield* cli("audit")
      assert.strictEqual(code, 0)
      const lines = stdout.trimEnd().split("\n")
      assert.lengthOf(lines, 3)
      for (const line of lines) assert.include(line, `${me}  `)
      assert.match(lines[0] ?? "", new RegExp(`key\\.revoke +${id} +revoked_at: "`))
      assert.match(lines[1] ?? "", /key\.rotate .*new_secret: true$/)
      assert.match(lines[2] ?? "", /key\.create .*name: "shop",.* requests_per_minute: 60/)
      assert.notInclude(stdout, key.slice(17))

      const json = yield* cli("audit", "--json", "--limit", "1", "--subject", id, "--since", "1h")
      const { data } = JSON.parse(json.stdout) as { data: ReadonlyArray<Record<string, unknown>> }
      assert.lengthOf(data, 1)
      assert.deepInclude(data[0], {
        actor: me,
        via: "cli",
        action: "key.revoke",
        subject: id,
        request_id: null,
      })
      const none = yield* cli("audit", "--json", "--subject", "nobody")
      assert.deepStrictEqual(JSON.parse(none.stdout), { data: [] })
      const future = yield* cli("audit", "--json", "--since", "2036-01-01")
      assert.deepStrictEqual(JSON.parse(future.stdout), { data: [] })
    }),
  )

  it.live("shows that prices were applied anew, and nothing of a dry run", () =>
    Effect.gen(function* () {
      const { cli } = yield* operator
      const recompute = ["costs", "recompute", "--from", "2026-11-01", "--to", "2026-11-02"]
      assert.strictEqual((yield* cli(...recompute, "--dry-run")).code, 0)
      assert.include((yield* cli("audit")).stdout, "Nothing was changed.")
      assert.strictEqual((yield* cli(...recompute)).code, 0)
      const { data } = JSON.parse((yield* cli("audit", "--json")).stdout) as {
        data: ReadonlyArray<Record<string, unknown>>
      }
      assert.deepStrictEqual(
        data.map(({ action, actor }) => [action, actor]),
        [
          ["costs.recompute.end", me],
          ["costs.recompute.begin", me],
        ],
      )
    }),
  )

  it.live("cannot command the terminal it is shown on", () =>
    Effect.gen(function* () {
      const { cli, url } = yield* operator
      yield* SqlClient.SqlClient.use(
        (sql) => sql`
          INSERT INTO audit_log (actor, via, action, subject, after)
          VALUES (${"a\u001b[2J"}, 'api', 'x', ${"b\nc"}, '{"name":"d\\u001b[2J"}')`,
      ).pipe(Effect.provide(PgClient.layer({ url })))
      for (const args of [["audit"], ["audit", "--json"]]) {
        const { stdout } = yield* cli(...args)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
        assert.notMatch(stdout.trimEnd(), /[\u0000-\u001f\u007f-\u009f]/)
      }
    }),
  )

  it.live("refuses what is no limit and no time", () =>
    Effect.gen(function* () {
      const { cli } = yield* operator
      for (const [flag, value] of [
        ["--limit", "0"],
        ["--limit", "1001"],
        ["--since", "yesterday"],
      ] as const) {
        const { code, stderr, stdout } = yield* cli("audit", flag, value)
        assert.notStrictEqual(code, 0)
        assert.include(stderr + stdout, flag)
      }
    }),
  )
})

describe("admin token", () => {
  it.live("carries a name and a role: by default those of an admin, called as who issues it", () =>
    Effect.gen(function* () {
      const { cli } = yield* operator
      assert.deepInclude(claimsOf((yield* cli("admin", "token")).stdout), { name: me, role: "admin" })
      const viewer = yield* cli("admin", "token", "--name", "grafana", "--role", "viewer", "--json")
      const { token, ...said } = JSON.parse(viewer.stdout) as { token: string }
      assert.deepInclude(claimsOf(token), { name: "grafana", role: "viewer" })
      assert.deepInclude(said, { name: "grafana", role: "viewer" })
    }),
  )

  it.live("refuses a role that is none, and a name that is not of one line", () =>
    Effect.gen(function* () {
      const { cli } = yield* operator
      for (const [flag, value] of [
        ["--role", "owner"],
        ["--name", "a\nb"],
        ["--name", "x".repeat(129)],
      ] as const) {
        const { code, stderr, stdout } = yield* cli("admin", "token", flag, value)
        assert.notStrictEqual(code, 0)
        assert.include(stderr + stdout, flag)
      }
    }),
  )
})
