import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer, Path, Redacted } from "effect"
import fc from "fast-check"
import { Settings } from "../../src/config/Settings.ts"

type Env = Readonly<Record<string, string>>

const settings = (env: Env) =>
  Effect.provide(
    Settings,
    Settings.layerNoDeps.pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...env } }))),
    ),
  )

const withDataDir = <A, E>(use: (dir: string) => Effect.Effect<A, E, FileSystem.FileSystem | Path.Path>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* Effect.orDie(fs.makeTempDirectoryScoped()))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const load = (env: Env) => withDataDir((dir) => settings({ DATA_DIR: dir, ...env }))
const faults = (env: Env) => Effect.map(Effect.flip(load(env)), (error) => error.faults)

const SECRET = "0123456789abcdef0123456789abcdef"

describe("settings from the environment", () => {
  it.effect("an empty environment gives the documented defaults", () =>
    withDataDir((dir) =>
      Effect.gen(function* () {
        const found = yield* settings({ DATA_DIR: dir })
        assert.strictEqual(found.host, "127.0.0.1")
        assert.strictEqual(found.port, 8000)
        assert.strictEqual(found.maxBodyBytes, 33_554_432)
        assert.strictEqual(found.dataDir, dir)
        assert.isFalse("databaseUrl" in found || "redisUrl" in found || "otlpEndpoint" in found)
        assert.isFalse("retentionDays" in found || "adminPort" in found || "corsOrigins" in found)
        assert.isTrue(found.docs && found.metrics)
        assert.deepStrictEqual(
          found.gateway.providers.map(({ kind }) => kind),
          ["simulated", "simulated"],
        )
      }),
    ),
  )

  it.effect("values are read, URLs lose their trailing slash, and an empty value is unset", () =>
    Effect.gen(function* () {
      const found = yield* load({
        HOST: "::1",
        PORT: "0",
        DATABASE_URL: "postgres://u:p@db/x",
        ADMIN_JWT_SECRET: `  ${SECRET}\n`,
        REDIS_URL: "rediss://cache:6379",
        OPENAI_API_KEY: "sk-test\n",
        OPENAI_BASE_URL: "http://127.0.0.1:9/v1///",
        GEMINI_API_KEY: "",
        MAX_BODY_BYTES: "10",
        RETENTION_DAYS: "30",
        ADMIN_PORT: "0",
        DOCS: "OFF",
        METRICS: "off",
        CORS_ORIGINS: "https://app.example.com , http://localhost:5173,tauri://localhost",
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318/",
        OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20a=b, x-tenant=1",
        OTEL_SERVICE_NAME: " gateway ",
        OTEL_RESOURCE_ATTRIBUTES: "team=a%2Cb",
        OTEL_TRACES_SAMPLER: "Parentbased_TraceIdRatio",
        OTEL_TRACES_SAMPLER_ARG: "0.25",
      })
      assert.strictEqual(found.host, "::1")
      assert.strictEqual(found.port, 0)
      assert.strictEqual(found.maxBodyBytes, 10)
      assert.strictEqual(found.retentionDays, 30)
      assert.strictEqual(found.adminPort, 0)
      assert.isFalse(found.docs || found.metrics)
      assert.deepStrictEqual(
        found.corsOrigins,
        new Set(["https://app.example.com", "http://localhost:5173", "tauri://localhost"]),
      )
      assert.strictEqual(found.otlpEndpoint, "http://127.0.0.1:4318")
      assert.strictEqual(
        found.otlpHeaders && Redacted.value(found.otlpHeaders),
        "Authorization=Bearer%20a=b, x-tenant=1",
      )
      assert.strictEqual(found.otelServiceName, "gateway")
      assert.strictEqual(found.otelResourceAttributes, "team=a%2Cb")
      assert.strictEqual(found.otelTracesSampler, "parentbased_traceidratio")
      assert.strictEqual(found.otelTracesSamplerArg, 0.25)
      assert.strictEqual(found.databaseUrl && Redacted.value(found.databaseUrl), "postgres://u:p@db/x")
      assert.strictEqual(found.redisUrl && Redacted.value(found.redisUrl), "rediss://cache:6379")
      assert.strictEqual(Redacted.value(found.adminJwtSecret), SECRET)
      const [provider, ...others] = found.gateway.providers
      assert.strictEqual(others.length, 0)
      assert(provider?.kind === "openai")
      assert.strictEqual(provider.baseUrl, "http://127.0.0.1:9/v1")
      assert.strictEqual(provider.apiKey && Redacted.value(provider.apiKey), "sk-test")
    }),
  )

  const url = "must be an http:// or https:// URL without credentials, query or fragment"
  const key = "must be visible ASCII characters without spaces"
  const wrong: ReadonlyArray<readonly [name: string, values: ReadonlyArray<string>, rule: string]> = [
    ["HOST", ["no spaces", "-a", "a/b", "http://x"], "must be an IP address or a host name"],
    ["PORT", ["65536", "-1", "80a", "1.5", "NaN"], "must be a whole number from 0 to 65535"],
    ["RETENTION_DAYS", ["0", "-1", "1.5", "30d", "36501"], "must be a whole number from 1 to 36500"],
    ["MAX_BODY_BYTES", ["0", "2MB", "104857601"], "must be a whole number from 1 to 104857600"],
    ["ADMIN_PORT", ["65536", "x"], "must be a whole number from 0 to 65535"],
    ["ADMIN_PORT", ["8000"], "must be another port than PORT"],
    ["DOCS", ["no"], "must be one of on, off"],
    ["METRICS", ["0"], "must be one of on, off"],
    [
      "CORS_ORIGINS",
      [
        ...[
          "app.example.com",
          "https://app.example.com/",
          "https://app.example.com:443",
          "https://App.example.com",
        ],
        ...[
          "https://a.example.com,",
          "*,https://a.example.com",
          "https://*.example.com/x",
          "https://u:p@x",
          "null",
        ],
      ],
      "must be * or origins such as https://app.example.com, separated by commas",
    ],
    ["LOG_LEVEL", ["loud"], "must be one of trace, debug, info, warn, error, fatal, none"],
    ["LOG_FORMAT", ["xml"], "must be one of pretty, json"],
    ["REDIS_URL", ["localhost:6379", "http://x"], "must be a URL that starts with redis:// or rediss://"],
    ["OPENAI_API_KEY", ["a b", "clé"], key],
    ["GEMINI_API_KEY", ["a\tb"], key],
    [
      "OPENAI_BASE_URL",
      ["api.openai.com", "ftp://x", "http://u:p@x", "http://@x", "http://x?", "http://x#f"],
      url,
    ],
    ["GEMINI_BASE_URL", ["http://x?key=1", "http://"], url],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", ["collector:4318"], url],
    [
      "OTEL_EXPORTER_OTLP_HEADERS",
      ["secret", "=secret", "a b=secret", "a=%zz", "a=%0d%0ab: c", "a=%C3%A9"],
      "must be header fields as name=value, separated by commas, with what is special as %20",
    ],
    ["OTEL_SERVICE_NAME", ["a\nb", "x".repeat(256)], "must be a line of at most 255 characters"],
    [
      "OTEL_RESOURCE_ATTRIBUTES",
      ["production", "=a", "a=%"],
      "must be attributes as name=value, separated by commas, with what is special as %20",
    ],
    [
      "OTEL_TRACES_SAMPLER",
      ["jaeger_remote", "on"],
      "must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio",
    ],
    ["OTEL_TRACES_SAMPLER_ARG", ["1.1", "-0.1", "10%"], "must be a number from 0 to 1"],
    ["ADMIN_JWT_SECRET", [SECRET.slice(1)], "must have at least 32 bytes"],
    [
      "ADMIN_JWT_SECRET",
      [
        "-".repeat(32),
        "change-me-change-me-change-me-change-me",
        "secret-for-tests".slice(1).repeat(3),
        "aabbccddeeffgfedcbaabcdeffgfedcbabdgcfea".slice(0, 32),
      ],
      "must be random, not a few characters or a pattern repeated: openssl rand -base64 32",
    ],
  ]
  for (const [name, values, rule] of wrong) {
    for (const value of values) {
      it.effect(`${name}=${JSON.stringify(value)} gives exactly one line`, () =>
        Effect.map(faults({ [name]: value }), (lines) => assert.deepStrictEqual(lines, [`${name} ${rule}`])),
      )
    }
  }

  it.effect("CORS_ORIGINS=* is every origin", () =>
    Effect.map(load({ CORS_ORIGINS: "*" }), ({ corsOrigins }) => assert.strictEqual(corsOrigins, "*")),
  )

  for (const value of ["mysql://x/y", "db:5432", "postgresql:/x", "postgres://h:port/x"]) {
    it.effect(`DATABASE_URL=${value} gives exactly one line and makes no secret`, () =>
      withDataDir((dir) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(
            settings({ DATA_DIR: dir, DATABASE_URL: value, ADMIN_JWT_SECRET: SECRET }),
          )
          assert.deepStrictEqual(error.faults, [
            "DATABASE_URL must be a URL that starts with postgres:// or postgresql://",
          ])
          assert.deepStrictEqual(yield* (yield* FileSystem.FileSystem).readDirectory(dir), [])
        }),
      ),
    )
  }

  it.effect("with DATABASE_URL the admin secret is required, right or wrong though the URL is", () =>
    Effect.gen(function* () {
      const line = "ADMIN_JWT_SECRET must have at least 32 bytes; it is required with DATABASE_URL"
      assert.deepStrictEqual(yield* faults({ DATABASE_URL: "postgres://db/x" }), [line])
      assert.include(yield* faults({ DATABASE_URL: "nonsense" }), line)
    }),
  )

  it.effect("an unusable DATA_DIR is one line", () =>
    Effect.map(faults({ DATA_DIR: "/dev/null/x" }), (lines) =>
      assert.deepStrictEqual(lines, [
        "DATA_DIR must be a directory that this process may create, read and write",
      ]),
    ),
  )

  it.effect("every fault is reported at once, the YAML file's too, and the message is one line each", () =>
    withDataDir((dir) =>
      Effect.gen(function* () {
        const file = (yield* Path.Path).join(dir, "gateway.yaml")
        yield* (yield* FileSystem.FileSystem).writeFileString(file, "limits: { max_attempts: 0 }\nextra: 1\n")
        const error = yield* Effect.flip(
          settings({
            DATA_DIR: "/dev/null/x",
            PORT: "x",
            HOST: "a b",
            LOG_LEVEL: "x",
            LOG_FORMAT: "x",
            REDIS_URL: "x",
            OPENAI_API_KEY: "a b",
            GEMINI_BASE_URL: "x",
            MAX_BODY_BYTES: "x",
            GATEWAY_CONFIG: file,
          }),
        )
        assert.deepStrictEqual(
          error.faults.map((line) => line.split(" ").slice(0, 2).join(" ").replace(file, "FILE")).sort(),
          [
            "DATA_DIR must",
            "FILE: extra",
            "FILE: limits.max_attempts",
            "GEMINI_BASE_URL must",
            "HOST must",
            "LOG_FORMAT must",
            "LOG_LEVEL must",
            "MAX_BODY_BYTES must",
            "OPENAI_API_KEY must",
            "PORT must",
            "REDIS_URL must",
          ],
        )
        assert.strictEqual(error.message.split("\n").length, error.faults.length)
      }),
    ),
  )

  it.effect("a file that cannot be read is named, on one line whatever its name", () =>
    Effect.map(faults({ GATEWAY_CONFIG: "/nowhere\n/gate\u001bway.yaml" }), (lines) =>
      assert.deepStrictEqual(lines, [
        "GATEWAY_CONFIG names a file that cannot be read: /nowhere\\u000a/gate\\u001bway.yaml",
      ]),
    ),
  )

  it.effect("a wrong key that the file names is reported once, as wrong and not as unset", () =>
    withDataDir((dir) =>
      Effect.gen(function* () {
        const file = (yield* Path.Path).join(dir, "gateway.yaml")
        yield* (yield* FileSystem.FileSystem).writeFileString(
          file,
          "providers: [{ name: v, kind: openai-compatible, base_url: http://x, api_key_env: VLLM_KEY, models: [{ name: m }] }]",
        )
        const error = yield* Effect.flip(settings({ DATA_DIR: dir, GATEWAY_CONFIG: file, VLLM_KEY: "a b" }))
        assert.deepStrictEqual(error.faults, [`VLLM_KEY ${key}`])
        const unset = yield* Effect.flip(settings({ DATA_DIR: dir, GATEWAY_CONFIG: file }))
        assert.deepStrictEqual(unset.faults, [
          `${file}: providers[0].api_key_env needs the environment variable VLLM_KEY, which is not set`,
        ])
      }),
    ),
  )

  it.effect("no value of any setting ever occurs in an error", () =>
    Effect.gen(function* () {
      const names = wrong.map(([name]) => name).concat("DATABASE_URL")
      const values = fc.sample(
        fc.record({
          name: fc.constantFrom(...names),
          canary: fc.stringMatching(/^[a-z0-9]{16}$/),
          shape: fc.constantFrom(
            (s: string) => `${s} ${s}`,
            (s: string) => `postgre://u:${s}@h/${s}`,
            (s: string) => `https://u:${s}@h?key=${s}`,
            (s: string) => `é${s}`,
            (s: string) => s,
          ),
        }),
        300,
      )
      let refused = 0
      for (const { name, canary, shape } of values) {
        const exit = yield* Effect.result(load({ [name]: shape(canary) }))
        if (exit._tag === "Success") {
          const open = { host: "", otelServiceName: "", otelResourceAttributes: "" }
          assert.notInclude(JSON.stringify({ ...exit.success, ...open }), canary)
          continue
        }
        refused++
        const error = exit.failure
        assert.notInclude(`${error.message}${error}${error.stack}${JSON.stringify(error)}`, canary)
      }
      assert.isAbove(refused, 100)
    }),
  )
})

describe("test settings", () => {
  it.effect("need nothing and take overrides", () =>
    Effect.gen(function* () {
      const found = yield* Settings
      assert.strictEqual(found.maxBodyBytes, 5)
      assert.strictEqual(found.port, 0)
      assert.isTrue(found.gateway.routes.has("auto"))
    }).pipe(Effect.provide(Settings.layerTest({ maxBodyBytes: 5 }))),
  )
})
