import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"

/**
 * The house's arrows: what each room may import besides itself. Feature rooms do not know each other; `inference`
 * composes them. A room that is not listed here does not exist.
 */
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  domain: [],
  config: ["domain"],
  database: ["domain", "config"],
  observability: ["domain", "config"],
  pricing: ["domain", "config"],
  providers: ["domain", "config", "observability"],
  auth: ["domain", "config", "database", "observability"],
  limits: ["domain", "config", "database", "observability"],
  idempotency: ["domain", "config", "database", "observability"],
  ledger: ["domain", "config", "database", "observability"],
  analytics: ["domain", "config", "database", "observability"],
  routing: ["domain", "config", "observability", "pricing", "providers"],
  inference: [
    "domain",
    "config",
    "observability",
    "pricing",
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
    "config",
    "database",
    "observability",
    "auth",
    "limits",
    "idempotency",
    "analytics",
    "inference",
    "api",
  ],
  doctor: ["domain", "config", "database", "ledger"],
  cli: ["domain", "config", "database", "auth", "api", "pricing", "ledger", "doctor"],
}

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

  it("let only App.ts and the front doors stand above all rooms", () => {
    const fronts = files.filter((file) => roomOf(file) === "front")
    assert.sameMembers(fronts, ["App.ts", "main.ts", "cli.ts"])
    assert.deepStrictEqual(
      internal.filter(
        ({ file, target }) =>
          roomOf(file) !== "front" && roomOf(target) === "front" && !target.startsWith(".."),
      ),
      [],
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
