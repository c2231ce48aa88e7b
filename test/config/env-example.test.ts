import { readdirSync, readFileSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem } from "effect"
import { readLogSettings } from "../../src/config/LogSettings.ts"
import { readReportAccess } from "../../src/config/report-access.ts"
import { Settings } from "../../src/config/Settings.ts"

const root = new URL("../../", import.meta.url)
const example = readFileSync(new URL(".env.example", root), "utf8")
const named = [...example.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name ?? "")

const sources = readdirSync(new URL("src", root), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => [file, readFileSync(new URL(`src/${file}`, root), "utf8")] as const)

const settings = (provider: ConfigProvider.ConfigProvider) =>
  Effect.all([readLogSettings, Settings, readReportAccess("openai"), readReportAccess("anthropic")]).pipe(
    Effect.provide(Settings.layerNoDeps),
    Effect.provide([ConfigProvider.layer(provider), NodeServices.layer]),
  )

const withDataDir = <A, E>(use: (dir: string) => Effect.Effect<A, E>) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped()).pipe(
    Effect.flatMap(use),
    Effect.scoped,
    Effect.provide(NodeServices.layer),
  )

/** Started every few seconds in a container, where there is no `.env`: `test/health.test.ts` holds how it reads settings. */
const LOADS_NOTHING = "health.ts"

describe(".env.example", () => {
  it.effect("names every setting that is read, and no other", () =>
    withDataDir((dir) =>
      Effect.gen(function* () {
        const read = new Set<string>()
        const values = ConfigProvider.fromUnknown({ DATA_DIR: dir })
        yield* settings(
          ConfigProvider.make((path) => {
            read.add(path.join("_"))
            return values.load(path)
          }),
        )
        for (const [, text] of sources) {
          for (const [, name] of text.matchAll(/\bConfig\.[A-Z]\w*\("([A-Z_]+)"\)/g)) read.add(name ?? "")
        }
        assert.deepStrictEqual([...named].sort(), [...read].sort())
      }),
    ),
  )

  it.effect("shows the defaults", () =>
    withDataDir((dir) =>
      Effect.gen(function* () {
        assert.include(example, "\nDATA_DIR=./data\n")
        const asWritten = ConfigProvider.fromDotEnvContents(example.replace("./data", dir))
        const defaults = ConfigProvider.fromUnknown({ DATA_DIR: dir })
        assert.deepStrictEqual(yield* settings(asWritten), yield* settings(defaults))
      }),
    ),
  )

  it("says one line about each", () => {
    const blocks = example.split("\n\n").slice(1)
    for (const block of blocks) assert.match(block, /^# .+\n[A-Z_]+=.*\n?$/)
    assert.strictEqual(blocks.length, named.length)
  })

  it("nothing outside src/config reads the environment past Config", () => {
    const outside = sources.filter(
      ([file, text]) =>
        !file.startsWith("config/") &&
        file !== LOADS_NOTHING &&
        /process\.env\b|\bfromEnv\(|\bfromDotEnv/.test(text),
    )
    assert.deepStrictEqual(
      outside.map(([file]) => file),
      [],
    )
  })
})
