import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { runCli } from "./run-cli.ts"

const operator = Effect.map(migratedPostgresUrl, (url) => {
  const env = { DATABASE_URL: Redacted.value(url), ADMIN_JWT_SECRET }
  return { url, run: (...args: ReadonlyArray<string>) => runCli(args, env, "/") }
})

/** Runs a command that succeeds and returns its lines. */
const linesOf = Effect.fnUntraced(function* (run: ReturnType<typeof runCli>) {
  const { code, stdout, stderr } = yield* run
  assert.strictEqual(code, 0, stdout + stderr)
  return stdout.trimEnd().split("\n")
})

describe("keys set", () => {
  it.live("is refused without anything to change, and for what is set and taken away at once", () =>
    Effect.gen(function* () {
      const { run } = yield* operator
      const [line = ""] = yield* linesOf(run("keys", "create", "--name", "x"))
      const id = line.slice("id        ".length)
      for (const [args, message] of [
        [[], "Say what to change: llm-gateway keys set --help"],
        [["--rpm", "5", "--clear", "rpm"], "--clear rpm: --rpm says what to set it to."],
        [["--budget-usd", "5", "--clear", "budget-usd"], "--clear budget-usd: --budget-usd says"],
        [["--budget-window", "day"], "--budget-window: Expected --budget-usd beside it."],
        [["--team", "search"], "--team search: No team has this name."],
        [["--models", "gtp-5.4-mini"], "Did you mean gpt-5.4-mini?"],
      ] as const) {
        const { code, stderr } = yield* run("keys", "set", id, ...args)
        assert.strictEqual(code, 1)
        assert.include(stderr, message)
      }
      for (const [flag, args] of [
        ["clear", ["--clear", "rpm,name"]],
        ["rpm", ["--rpm", "0"]],
        ["tpm", ["--tpm", "1.5"]],
        ["concurrency", ["--concurrency", "-1"]],
        ["team", ["--team", "a/b"]],
        ["tags", ["--tags", "a,,b"]],
        ["tags", ["--tags", Array.from({ length: 11 }, (_, i) => i).join(",")]],
        ["budget-usd", ["--budget-usd", "-1"]],
        ["budget-usd", ["--budget-usd", "NaN"]],
        ["budget-usd", ["--budget-usd", "0.1234567891"]],
        ["budget-usd", ["--budget-usd", "9000001"]],
        ["budget-window", ["--budget-usd", "5", "--budget-window", "year"]],
      ] as const) {
        const { code, stderr, stdout } = yield* run("keys", "set", id, ...args)
        assert.notStrictEqual(code, 0)
        assert.include(stderr + stdout, `--${flag}`)
        assert.notMatch(stderr + stdout, /database/i)
      }
      assert.deepStrictEqual(yield* linesOf(run("keys", "show", id)), [
        line,
        ...(yield* linesOf(run("keys", "set", id, "--name", "x"))).slice(1),
      ])
    }),
  )

  it.live("shows what it made, and the list has a line for each key", () =>
    Effect.gen(function* () {
      const { run } = yield* operator
      yield* linesOf(run("teams", "create", "search"))
      const [line = ""] = yield* linesOf(run("keys", "create", "--name", "x"))
      const id = line.slice("id        ".length)
      const shown = yield* linesOf(
        run(
          ...["keys", "set", id, "--team", "search", "--tags", "b,a,b", "--tpm", "9", "--may-issue"],
          ...["--budget-usd", "12.5"],
        ),
      )
      assert.includeMembers(shown, [
        "tpm       9",
        "in flight no limit",
        "team      search",
        "tags      b, a",
        "may issue yes",
      ])
      assert.match(shown.join("\n"), /^budget {4}12\.50 USD, window month, ░{10} 0 %, 12\.50 left, resets /m)
      const [header = "", row = ""] = yield* linesOf(run("keys", "list"))
      assert.match(header, /^id +state +created +name +team +limits +budget left +tags$/)
      assert.match(row, new RegExp(`^${id} +active +\\S+ +x +search +9 tpm +12\\.50 of 12\\.50 month +b,a$`))
    }),
  )
})

describe("budgets", () => {
  it.live("are listed as a table, with a bar of what is used", () =>
    Effect.gen(function* () {
      const { run, url } = yield* operator
      yield* run("budgets", "set", "--scope", "gateway", "--window", "total", "--limit-usd", "10")
      yield* run(
        ...["budgets", "set", "--scope", "user", "--subject", "ada", "--window", "total"],
        ...["--limit-usd", "0.5", "--alerts", "80,50", "--time-zone", "Asia/Tokyo"],
      )
      yield* SqlClient.SqlClient.use(
        (sql) => sql`
          WITH nasty AS (UPDATE budgets SET subject = ${"ada\u001b[2J"} WHERE scope = 'user')
          INSERT INTO budget_windows SELECT id, '-infinity'::timestamptz, 2500000001 FROM budgets WHERE scope = 'gateway'
          UNION ALL SELECT id, '-infinity'::timestamptz, 700000000 FROM budgets WHERE scope = 'user'`,
      ).pipe(Effect.provide(PgClient.layer({ url })))
      assert.deepStrictEqual(yield* linesOf(run("budgets", "list")), [
        "id  scope    subject       window  limit  spent        reserved  left         used              resets",
        "2   user     ada\\u001b[2J  total   0.50   0.70         0.00      0.00         ██████████ 140 %  never",
        "1   gateway  -             total   10.00  2.500000001  0.00      7.499999999  ██░░░░░░░░ 25 %   never",
      ])
      const shown = yield* linesOf(run("budgets", "show", "2"))
      assert.strictEqual(shown.at(-1), "alerts 50 %, 80 %; time zone Asia/Tokyo")
      const reset = yield* run("budgets", "reset", "1", "--json")
      assert.deepInclude(JSON.parse(reset.stdout), { spent_usd: 0, remaining_usd: 10, resets_at: null })
      assert.deepStrictEqual(yield* linesOf(run("budgets", "delete", "1")), ["Deleted the budget 1."])
      assert.lengthOf(yield* linesOf(run("budgets", "list")), 2)
    }),
  )

  it.live("are refused with the flag that is wrong", () =>
    Effect.gen(function* () {
      const { run } = yield* operator
      const good = ["--scope", "gateway", "--window", "day", "--limit-usd", "5"]
      for (const [message, args] of [
        ["--scope", ["--scope", "planet", "--window", "day", "--limit-usd", "5"]],
        ["--window", ["--scope", "gateway", "--window", "year", "--limit-usd", "5"]],
        ["--limit-usd", ["--scope", "gateway", "--window", "day", "--limit-usd", "-5"]],
        ["--limit-usd", ["--scope", "gateway", "--window", "day", "--limit-usd", "many"]],
        [
          "--subject: Expected at most 128 characters, no control characters and no spaces around it.",
          ["--scope", "user", "--window", "day", "--limit-usd", "5", "--subject", "a\u001b[2J"],
        ],
        ["--subject: Expected none: the budget is everybody's.", [...good, "--subject", "x"]],
        ["--alerts", [...good, "--alerts", "50,x"]],
        ["--alerts", [...good, "--alerts", "101"]],
        ["--time-zone", [...good, "--time-zone", "Berlin"]],
        [
          "--subject: No team has this name.",
          ["--scope", "team", "--subject", "x", "--window", "day", "--limit-usd", "5"],
        ],
      ] as const) {
        const { code, stderr, stdout } = yield* run("budgets", "set", ...args)
        assert.notStrictEqual(code, 0)
        assert.include(stderr + stdout, message)
      }
      assert.match((yield* linesOf(run("budgets", "list"))).join(), /^There are no such budgets/)
      for (const verb of ["show", "reset", "delete"]) {
        const { code, stderr } = yield* run("budgets", verb, "7")
        assert.strictEqual(code, 1)
        assert.include(stderr, "There is no budget with the id 7.")
      }
    }),
  )
})

describe("teams", () => {
  it.live("are made, listed, changed and deleted", () =>
    Effect.gen(function* () {
      const { run } = yield* operator
      assert.match((yield* linesOf(run("teams", "list"))).join(), /^There are no teams yet/)
      yield* linesOf(run("teams", "create", "search", "--rpm", "600", "--concurrency", "8"))
      assert.deepStrictEqual(yield* linesOf(run("teams", "list")), [
        "name    active keys  rpm  tpm  concurrency  budgets",
        "search  0            600  -    8            0",
      ])
      const changed = yield* linesOf(run("teams", "set", "search", "--tpm", "5", "--clear", "rpm"))
      assert.includeMembers(changed, ["rpm          no limit", "tpm          5", "concurrency  8"])
      for (const [message, args] of [
        ["There is a team search. Change it: llm-gateway teams set search", ["create", "search"]],
        ["serach: No team has this name. Did you mean search?", ["show", "serach"]],
        ["Say what to change: llm-gateway teams set --help", ["set", "search"]],
        ["--clear tpm: --tpm says what to set it to.", ["set", "search", "--tpm", "5", "--clear", "tpm"]],
      ] as const) {
        const { code, stderr } = yield* run("teams", ...args)
        assert.strictEqual(code, 1)
        assert.include(stderr, message)
      }
      assert.notStrictEqual((yield* run("teams", "create", "a b")).code, 0)
      assert.deepStrictEqual(yield* linesOf(run("teams", "delete", "search")), ["Deleted the team search."])
    }),
  )
})
