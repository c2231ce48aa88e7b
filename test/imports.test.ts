import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"

/**
 * The house's arrows, ground floor first: what each room may import besides itself. Feature rooms do not know each
 * other; `inference` composes them, `http` puts them on the wire, and `app` wires the layers. A room that is not
 * listed here does not exist, and an arrow that nothing uses is not allowed.
 */
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  domain: [],
  platform: [],
  catalog: ["domain"],
  config: ["domain", "catalog"],
  observability: ["domain", "config"],
  database: ["platform", "config"],
  responses: [],
  providers: ["domain", "platform", "catalog", "config"],
  auth: ["domain", "config", "database", "observability"],
  limits: ["domain", "config", "observability"],
  idempotency: ["domain", "database", "responses"],
  journal: ["platform", "observability"],
  ledger: ["domain", "config", "database", "observability", "journal"],
  repricing: ["domain", "database", "ledger"],
  analytics: ["domain", "database", "ledger"],
  routing: ["domain", "catalog", "config", "observability", "providers"],
  inference: [
    "domain",
    "catalog",
    "config",
    "observability",
    "responses",
    "providers",
    "auth",
    "limits",
    "idempotency",
    "ledger",
    "routing",
  ],
  api: [],
  http: [
    "domain",
    "platform",
    "config",
    "database",
    "observability",
    "responses",
    "auth",
    "limits",
    "idempotency",
    "analytics",
    "inference",
    "api",
  ],
  doctor: ["platform", "config", "database", "journal", "ledger"],
  cli: ["catalog", "config", "database", "auth", "ledger", "repricing", "doctor"],
  app: [
    "config",
    "database",
    "observability",
    "providers",
    "auth",
    "limits",
    "idempotency",
    "ledger",
    "analytics",
    "routing",
    "inference",
    "http",
  ],
}

/** The two front doors: of the service, and of the commands. */
const FRONT = ["cli.ts", "main.ts"]

const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
const roomOf = (file: string): string => (file.includes("/") ? (file.split("/")[0] ?? "") : "front")

const statement = /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm

const imports = files.flatMap((file) =>
  [...readFileSync(join("src", file), "utf8").matchAll(statement)].map(([, type, specifier = ""]) => ({
    file,
    specifier,
    typeOnly: type !== undefined,
  })),
)
const internal = imports
  .filter(({ specifier }) => specifier.startsWith("."))
  .map(({ file, specifier }) => ({ file, target: relative("src", join("src", dirname(file), specifier)) }))

describe("import arrows", () => {
  it("finds the rooms", () => {
    assert.sameMembers([...new Set(files.map(roomOf))], [...Object.keys(mayImport), "front"])
    assert.isAbove(internal.length, 100)
  })

  it("point one way", () => {
    const wrong = internal.filter(({ file, target }) => {
      const from = roomOf(file)
      const to = roomOf(target)
      if (from === "front" || from === to) return false
      if (target.startsWith("../")) return from !== "config" && from !== "database"
      return !mayImport[from]?.includes(to)
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("are allowed only where something uses them", () => {
    const used = new Set(internal.map(({ file, target }) => `${roomOf(file)} -> ${roomOf(target)}`))
    const allowed = Object.entries(mayImport).flatMap(([from, rooms]) =>
      rooms.map((to) => `${from} -> ${to}`),
    )
    assert.deepStrictEqual(
      allowed.filter((arrow) => !used.has(arrow)),
      [],
    )
  })

  it("let nothing but the front doors stand outside of a room", () => {
    assert.sameMembers(
      files.filter((file) => roomOf(file) === "front"),
      FRONT,
    )
  })

  it("keep server code out of the public contract", () => {
    const outside = imports.filter(
      ({ file, specifier }) => roomOf(file) === "api" && !specifier.startsWith("."),
    )
    assert.deepStrictEqual(
      outside.filter(({ specifier }) => !specifier.startsWith("effect")),
      [],
    )
  })

  it("use only declared production dependencies at run time", () => {
    const { dependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
      dependencies: Record<string, string>
    }
    const undeclared = imports.filter(({ specifier, typeOnly }) => {
      if (specifier.startsWith(".") || specifier.startsWith("node:") || typeOnly) return false
      const name = specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/")
      return !(name in dependencies)
    })
    assert.deepStrictEqual(undeclared, [])
  })
})
