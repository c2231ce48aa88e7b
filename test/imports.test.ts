import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"

/**
 * The house's arrows, ground floor first: what each room may import besides itself. Feature rooms do not know each
 * other; `inference` composes them, `http` puts them on the wire, and `app` wires the layers. A room that is not
 * listed here does not exist, and an arrow that nothing uses is not allowed.
 */
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  platform: [],
  domain: ["platform"],
  catalog: ["domain", "platform"],
  config: ["domain", "catalog"],
  importing: ["domain", "catalog", "config"],
  observability: ["domain", "platform", "config"],
  database: ["domain", "platform", "config"],
  responses: [],
  dialects: ["domain", "platform"],
  tokens: ["domain"],
  providers: ["domain", "platform", "catalog", "config", "tokens"],
  audit: ["domain", "database", "api"],
  budgets: ["domain", "platform", "config", "database", "observability", "audit"],
  auth: ["domain", "platform", "config", "database", "observability", "audit", "budgets"],
  limits: ["domain", "platform", "config", "database", "observability"],
  idempotency: ["domain", "platform", "database", "responses"],
  journal: ["platform", "observability"],
  ledger: ["domain", "config", "database", "observability", "journal"],
  repricing: ["domain", "database", "ledger"],
  reconciliation: ["domain", "platform", "database", "ledger"],
  analytics: ["domain", "database", "ledger", "api"],
  routing: ["domain", "platform", "catalog", "config", "observability", "providers"],
  replay: ["domain", "database", "ledger", "routing"],
  inference: [
    "domain",
    "platform",
    "catalog",
    "config",
    "observability",
    "providers",
    "auth",
    "limits",
    "budgets",
    "ledger",
    "routing",
  ],
  api: ["domain"],
  http: [
    "domain",
    "platform",
    "catalog",
    "config",
    "database",
    "observability",
    "responses",
    "dialects",
    "tokens",
    "budgets",
    "audit",
    "auth",
    "limits",
    "idempotency",
    "ledger",
    "analytics",
    "inference",
    "api",
  ],
  doctor: ["domain", "config", "database", "auth", "idempotency", "ledger"],
  cli: [
    "domain",
    "platform",
    "catalog",
    "config",
    "database",
    "providers",
    "budgets",
    "audit",
    "auth",
    "ledger",
    "repricing",
    "reconciliation",
    "replay",
    "importing",
    "api",
    "doctor",
  ],
  app: [
    "domain",
    "platform",
    "config",
    "database",
    "observability",
    "providers",
    "audit",
    "auth",
    "limits",
    "budgets",
    "idempotency",
    "ledger",
    "analytics",
    "routing",
    "inference",
    "http",
    "cli",
  ],
}

/** The front doors: of the service, of the commands, and of what watches a container. */
const FRONT = ["cli.ts", "health.ts", "main.ts"]

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

interface Arrow {
  readonly file: string
  readonly target: string
}

/** Returns the groups of files that can reach each other, each as a list of names in order. */
const circlesIn = (arrows: ReadonlyArray<Arrow>): ReadonlyArray<string> => {
  const reachable = (from: string): ReadonlySet<string> => {
    const found = new Set<string>()
    const waiting = [from]
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      for (const arrow of arrows) {
        if (arrow.file !== file || found.has(arrow.target)) continue
        found.add(arrow.target)
        waiting.push(arrow.target)
      }
    }
    return found
  }
  const reach = new Map([...new Set(arrows.map(({ file }) => file))].map((file) => [file, reachable(file)]))
  const circles = [...reach].flatMap(([file, targets]) =>
    targets.has(file)
      ? [...targets]
          .filter((target) => reach.get(target)?.has(file))
          .toSorted()
          .join(", ")
      : [],
  )
  return [...new Set(circles)].toSorted()
}

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

  it("make no circle within a room, not for types either", () => {
    const circles = Object.keys(mayImport).flatMap((room) =>
      circlesIn(internal.filter(({ file, target }) => roomOf(file) === room && roomOf(target) === room)),
    )
    assert.deepStrictEqual(circles, [])
  })

  it("let nothing but the front doors stand outside of a room", () => {
    assert.sameMembers(
      files.filter((file) => roomOf(file) === "front"),
      FRONT,
    )
  })

  it("keep server code out of the public contract, and out of what it imports", () => {
    const contract = new Set(files.filter((file) => roomOf(file) === "api"))
    // Grows while it is walked.
    for (const file of contract) {
      for (const arrow of internal) if (arrow.file === file) contract.add(arrow.target)
    }
    const outside = imports.filter(
      ({ file, specifier }) => contract.has(file) && !/^(?:\.|effect(?:\/|$))/.test(specifier),
    )
    assert.deepStrictEqual(outside, [])
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
