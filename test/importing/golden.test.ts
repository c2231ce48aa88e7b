import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Result } from "effect"
import { Yaml } from "effect/encoding"
import { asText } from "../../src/cli/import-litellm/report.ts"
import { Settings } from "../../src/config/Settings.ts"
import { importKeys } from "../../src/importing/import-keys.ts"
import { importLitellm } from "../../src/importing/import-litellm.ts"
import { pathsOf } from "./paths.ts"

/**
 * Configurations in the shapes of LiteLLM's own examples. What becomes of each stands in `golden`, to be read in a review; write
 * it anew with `npx vitest run test/importing/golden.test.ts -u`.
 */

const base = new URL("../fixtures/litellm/", import.meta.url)
const DAY = "2026-11-29"
const fixtures = readdirSync(base).filter((name) => name.endsWith(".yaml"))

/** What every secret in the fixtures begins with, a number that is one, and an API key's hash. */
const SECRETS = /fixture-secret|12345678|fixture-hash/

const read = (name: string): string => readFileSync(new URL(name, base), "utf8")

/** Reads a file as a gateway does at its start, with all variables that the import asks for. */
const start = (yaml: string, variables: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directory = mkdtempSync(join(tmpdir(), "import-"))
    const file = join(directory, "gateway.yaml")
    writeFileSync(file, yaml)
    const environment = {
      GATEWAY_CONFIG: file,
      DATA_DIR: directory,
      ADMIN_JWT_SECRET: "UJnpXJ2wRF5aB9LqkZ8mT7vYh3cD6eSx",
      ...Object.fromEntries(variables.map((name) => [name, addressOf(name)])),
    }
    return yield* Settings.pipe(
      Effect.provide(Settings.layerNoDeps),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(environment)),
      Effect.provide(NodeServices.layer),
    )
  })

const addressOf = (name: string): string =>
  /_(BASE_URL|ENDPOINT)$/.test(name) ? "https://set.invalid" : name === "AWS_REGION" ? "us-east-1" : "set"

describe("the examples of LiteLLM", () => {
  it("are more than ten", () => {
    assert.isAtLeast(fixtures.length, 10)
  })

  for (const name of fixtures) {
    it.live(`${name} becomes what stands in golden, which a gateway starts with`, () =>
      Effect.gen(function* () {
        const imported = Result.getOrThrow(importLitellm(read(name), DAY))
        const golden = name.replace(/\.yaml$/, "")
        const text = asText(imported, undefined, "gateway.yaml")
        for (const [file, content] of [
          [`golden/${golden}.gateway.yaml`, imported.yaml],
          [`golden/${golden}.report.txt`, `${text.trimStart()}\n`],
        ] as const) {
          yield* Effect.promise(() => expect(content).toMatchFileSnapshot(new URL(file, base).pathname))
        }
        assert.notMatch(imported.yaml + text + JSON.stringify(imported.entries), SECRETS)
        assert.deepStrictEqual(
          imported.entries.map(({ path }) => path),
          pathsOf(Yaml.parse(read(name))),
        )
        const { gateway } = yield* start(
          imported.yaml,
          imported.variables.map(({ name }) => name),
        )
        for (const route of imported.gateway.routes.keys()) assert.isTrue(gateway.routes.has(route), route)
      }),
    )
  }

  it("keys.json becomes the commands that stand in golden", async () => {
    const { gateway, names } = Result.getOrThrow(importLitellm(read("reliability.yaml"), DAY))
    const nowMs = Date.parse(`${DAY}T00:00:00Z`)
    const keys = Result.getOrThrow(importKeys(read("keys.json"), { gateway, names, nowMs }))
    const lines = [
      ...keys.commands,
      "",
      ...keys.entries.map(({ outcome, path, note, to }) =>
        [
          outcome,
          path,
          ...(to === undefined ? [] : [`-> ${to}`]),
          ...(note === undefined ? [] : [note]),
        ].join(" | "),
      ),
    ]
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(new URL("golden/keys.txt", base).pathname)
    assert.notMatch(lines.join("\n"), SECRETS)
    assert.deepStrictEqual(
      keys.entries.map(({ path }) => path),
      pathsOf(JSON.parse(read("keys.json"))),
    )
  })
})
