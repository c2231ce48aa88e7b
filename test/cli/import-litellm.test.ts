import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { runCli, startCli } from "./run-cli.ts"

const CONFIG = `
model_list:
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-5.4, api_key: sk-literal-secret, rpm: 60 }
  - model_name: claude/main
    litellm_params: { model: anthropic/claude-sonnet-4-5 }
router_settings: { fallbacks: [{ gpt-4o: [claude/main] }], surprise: 1 }
litellm_settings: { max_budget: 100, budget_duration: 1mo }
`

const KEYS = JSON.stringify({
  keys: [
    {
      token: "0123abcd",
      key_alias: `it's "mine"; $(false)`,
      models: ["gpt-4o", "claude/main"],
      rpm_limit: 10,
      max_budget: 0.5,
      budget_duration: "1d",
      team_id: "red",
      metadata: { tags: ["prod", "two words"] },
      expires: "2300-01-01T00:00:00Z",
    },
    { token: "4567", key_alias: "-odd" },
  ],
})

const Answer = Schema.fromJsonString(
  Schema.Struct({
    out: Schema.NullOr(Schema.String),
    yaml: Schema.NullOr(Schema.String),
    report: Schema.Struct({
      imported: Schema.Int,
      approximated: Schema.Int,
      unsupported: Schema.Int,
      fields: Schema.Array(Schema.Struct({ path: Schema.String, outcome: Schema.String })),
    }),
    commands: Schema.Array(Schema.String),
    variables: Schema.Array(Schema.Struct({ name: Schema.String, note: Schema.String })),
  }),
)
const decode = Schema.decodeUnknownSync(Answer)

const directory = () => {
  const path = mkdtempSync(join(tmpdir(), "import-litellm-"))
  writeFileSync(join(path, "config.yaml"), CONFIG)
  writeFileSync(join(path, "keys.json"), KEYS)
  return path
}

const run = (cwd: string, ...args: ReadonlyArray<string>) =>
  runCli(
    ["import", "litellm", ...args.map((arg) => (/\.(yaml|json)$/.test(arg) ? join(cwd, arg) : arg))],
    {},
    cwd,
  )

describe("import litellm", () => {
  it.live("as a process writes the file on stdout and the report on stderr, without any setting", () =>
    Effect.gen(function* () {
      const cwd = directory()
      const { code, stderr, stdout } = yield* Effect.promise(
        () => startCli(["import", "litellm", "config.yaml", "--keys", "keys.json"], {}, cwd).ended,
      )
      assert.strictEqual(code, 0, stderr)
      const { _tag } = parseGatewayFile(stdout)
      assert.strictEqual(_tag, "Success")
      assert.include(stderr, "router_settings.surprise")
      assert.include(
        stderr,
        "LITELLM_OPENAI_KEY: the key that stands at model_list[0].litellm_params.api_key",
      )
      assert.include(stderr, "llm-gateway budgets set --scope gateway --window month --limit-usd 100")
      assert.include(stderr, "10 fields of the configuration: 4 imported, 5 approximated, 1 unsupported.\n")
      assert.notInclude(stdout + stderr, "sk-literal-secret")
      assert.isFalse(existsSync(join(cwd, "data")), "nothing is made beside")
    }),
  )

  it.live("writes --out, and over a file only with --force", () =>
    Effect.gen(function* () {
      const cwd = directory()
      const out = join(cwd, "gateway.yaml")
      const first = yield* run(cwd, "config.yaml", "--out", "gateway.yaml", "--json")
      assert.strictEqual(first.code, 0)
      const answer = decode(first.stdout)
      assert.deepInclude(answer, { out, yaml: null })
      assert.isTrue(parseGatewayFile(readFileSync(out, "utf8"))._tag === "Success")
      writeFileSync(out, "mine")
      const second = yield* run(cwd, "config.yaml", "--out", "gateway.yaml")
      assert.deepInclude(second, { code: 1, stdout: "" })
      assert.include(second.stderr, `--out ${out}: is there already. To write over it: --force`)
      assert.strictEqual(readFileSync(out, "utf8"), "mine")
      const third = yield* run(cwd, "config.yaml", "--out", "gateway.yaml", "--force")
      assert.deepInclude(third, { code: 0, stdout: "" })
      assert.notStrictEqual(readFileSync(out, "utf8"), "mine")
    }),
  )

  it.live("with --json prints one value with all of it", () =>
    Effect.gen(function* () {
      const cwd = directory()
      const { code, stderr, stdout } = yield* run(cwd, "config.yaml", "--json")
      assert.deepInclude({ code, stderr }, { code: 0, stderr: "" })
      const { out, report, variables, yaml } = decode(stdout)
      assert.isNull(out)
      assert.isTrue(parseGatewayFile(yaml ?? "")._tag === "Success")
      assert.strictEqual(report.imported + report.approximated + report.unsupported, report.fields.length)
      assert.deepStrictEqual(
        variables.map(({ name }) => name),
        ["LITELLM_OPENAI_KEY", "ANTHROPIC_API_KEY"],
      )
    }),
  )

  it.live("refuses what it cannot read in one line that names the file and the rule", () =>
    Effect.gen(function* () {
      const cwd = directory()
      writeFileSync(join(cwd, "bad.yaml"), "model_list: [7]")
      writeFileSync(join(cwd, "bad.json"), '{"keys":["0123abcd"]}')
      for (const [args, message] of [
        [["none.yaml"], `${join(cwd, "none.yaml")}: cannot be read`],
        [["bad.yaml"], `${join(cwd, "bad.yaml")}: model_list[0] must be a mapping`],
        [["config.yaml", "--keys", "config.yaml"], `${join(cwd, "config.yaml")}: is not valid JSON`],
        [
          ["config.yaml", "--keys", "bad.json"],
          `${join(cwd, "bad.json")}: keys[0] must be a key with its fields: ask /key/list?return_full_object=true`,
        ],
      ] as const) {
        const { code, stderr, stdout } = yield* run(cwd, ...args)
        assert.deepInclude({ code, stdout }, { code: 1, stdout: "" })
        assert.strictEqual(stderr.trimEnd().split("\n").length, 1, stderr)
        assert.include(stderr, message)
      }
    }),
  )

  it.live("makes commands that make the keys, whatever they are called", () =>
    Effect.gen(function* () {
      const cwd = directory()
      const made = yield* run(cwd, "config.yaml", "--keys", "keys.json", "--out", "gateway.yaml", "--json")
      const { commands, variables } = decode(made.stdout)
      assert.strictEqual(commands.length, 4)
      const url = yield* migratedPostgresUrl
      const env = {
        DATABASE_URL: Redacted.value(url),
        ADMIN_JWT_SECRET,
        GATEWAY_CONFIG: join(cwd, "gateway.yaml"),
        ...Object.fromEntries(variables.map(({ name }) => [name, "sk-for-this-test"])),
      }
      for (const command of commands) {
        const ran = yield* runCli(wordsOf(command).slice(1), env, cwd)
        assert.strictEqual(ran.code, 0, `${command}\n${ran.stderr}`)
      }
      const listed = yield* runCli(["keys", "list", "--json"], env, cwd)
      const { data } = JSON.parse(listed.stdout) as { data: ReadonlyArray<Record<string, unknown>> }
      assert.deepStrictEqual(
        data.map(({ name }) => name).toSorted(),
        ["-odd", `it's "mine"; $(false)`].toSorted(),
      )
      assert.deepInclude(
        data.find(({ rpm }) => rpm === 10),
        { team: "red", tags: ["prod", "two words"], models: ["gpt-4o", "claude-main"] },
      )
    }),
  )
})

/** Reads a line as a shell does, as far as the import writes such lines. */
const wordsOf = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/(?:[^\s'\\]|\\.|'[^']*')+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|\\(.)/g, (_, quoted, escaped) => quoted ?? escaped),
  )
