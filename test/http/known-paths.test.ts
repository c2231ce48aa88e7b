import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { allPaths, pathsOfPorts } from "../../src/http/known-paths.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { RawHttp } from "../support/RawHttp.ts"

/** One spelling of each path: a proxy's rule for a path must hold for whatever reaches its route. */

const { open: all } = pathsOfPorts({ docs: true, metrics: true, ui: true })

/** A path of each route, with a value for its parameter. */
const routes = allPaths.map(({ template, methods }) => ({
  path: template.replace(":model", "swift-1").replace(/:\w+/, "dwWrL4jGrrLT"),
  template,
  method: methods[0] ?? "",
}))

const encoded = (text: string) => `%${text.charCodeAt(0).toString(16)}`

/** Other spellings of a path that some reader of paths takes for the same one. */
const otherSpellings = (path: string): ReadonlyArray<string> => {
  const [first = "", ...rest] = path.slice(1).split("/")
  const after = rest.map((segment) => `/${segment}`).join("")
  return [
    `/${path}`,
    `//${path}`,
    `${path}/`,
    `${path}//`,
    `/./${path.slice(1)}`,
    `/x/..${path}`,
    `/x/%2e%2e${path}`,
    `/livez/..${path}`,
    `${path}/.`,
    `${path}/x/..`,
    `/${encoded(first)}${first.slice(1)}${after}`,
    `/${encoded(first).toUpperCase()}${first.slice(1)}${after}`,
    `/${first.slice(0, -1)}${encoded(first.slice(-1))}${after}`,
    `/%2f${first}${after}`,
    `%2F${first}${after}`,
    `/${first}%2f${rest.join("%2f")}`,
    `\\${first}${after}`,
    `/${first}${after.replaceAll("/", "\\")}\\`,
    `/${first}${after.replaceAll("/", "//")}${rest.length === 0 ? "//" : ""}`,
    `${path};x=1`,
    `${path};`,
    `${path}#x`,
    `${path}%3fx=1`,
    `${path}%00`,
    `${path}%20`,
    `/${first.toUpperCase()}${after}`,
    `http://x/${path}`,
    `http://x/y/..${path}`,
    `http://x\\${first}${after}`,
  ]
}

/** A model's name may be spelled in several ways, and have slashes. */
const isModelNamed = (target: string) => /^\/v1\/models\/[^/;#\\]/.test(target) && !/(?:\/|\.)$/.test(target)

const variants = routes.flatMap(({ path, method }) =>
  otherSpellings(path)
    .filter((target) => !isModelNamed(target))
    .map((target) => ({ target, method })),
)

describe("a path in its one spelling", () => {
  it.each(routes)("$path is found, with a query and as a proxy's client sends it", ({ path, template }) => {
    for (const target of [path, `${path}?`, `${path}?a=/../%2e;`, `http://gateway:1${path}`]) {
      assert.strictEqual(all.find(target)?.template, template, target)
    }
  })
})

describe("another spelling", () => {
  it("is no path", () => {
    assert.isAbove(variants.length, 350)
    const found = variants.filter(({ target }) => all.find(target) !== undefined)
    assert.deepStrictEqual(found, [])
  })

  it.each(["dwWrL4jGrrLT%2frotate", "a%41", "..", "%2e%2e", "a b", "", "a/b/c"])(
    "is not understood in the id of a key: %s",
    (id) => {
      assert.isUndefined(all.find(`/admin/keys/${id}/rotate`))
    },
  )
})

describe("the name of a model", () => {
  it.each([
    "gpt-5.4",
    "openai/gpt-5.4",
    "openai%2Fgpt-5.4",
    "llama3%3A8b",
    "llama3:8b",
    "%67pt",
    "a..b",
    "...",
    "a@b+c",
    "%E6%A8%A1",
    "..a/b",
  ])("may be written %s", (name) => {
    assert.strictEqual(all.find(`/v1/models/${name}`)?.template, "/v1/models/:model")
  })

  it.each([
    "",
    "/",
    "a/",
    "a//b",
    "/a",
    ".",
    "..",
    "%2e%2E",
    ".%2e",
    "a/..",
    "a/../b",
    "a/./b",
    "a%2F..%2Fb",
    "a%2f%2e%2e",
    "../../metrics",
    "a\\b",
    "a;b",
    "a#b",
  ])("may not be written %j", (name) => {
    assert.isUndefined(all.find(`/v1/models/${name}`))
  })
})

describe("a gateway", () => {
  let gateway: GatewayInProcess
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
  })
  afterAll(() => gateway?.stop())

  const answerTo = async ({ target, method }: { readonly target: string; readonly method: string }) => {
    const connection = await RawHttp.connect(gateway.url)
    connection.send(
      `${method} ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${gateway.adminToken}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    )
    await connection.until(({ closed }) => closed)
    connection.destroy()
    return `${connection.statuses[0]} ${/"(?:error_)?code":"(\w+)"/.exec(connection.received)?.[1]}`
  }

  it("answers 404 to every other spelling, with an admin token too", async () => {
    const wrong: Array<unknown> = []
    for (const variant of variants) {
      const answer = await answerTo(variant)
      // A browser is sent to the one spelling, which nobody is served by this one.
      if (
        /^\/ui(?:.*[^/])?\/$/.test(variant.target) &&
        variant.method === "GET" &&
        answer === "308 undefined"
      )
        continue
      // The parser refuses what is no target at all, before there is a request.
      if (answer !== "404 not_found" && answer !== "400 undefined") wrong.push({ ...variant, answer })
    }
    assert.deepStrictEqual(wrong, [])
  })

  it("answers each path otherwise", async () => {
    for (const { path, method } of routes.filter(
      ({ template }) => template !== "/docs" && template !== "/metrics",
    )) {
      const response = await fetch(`${gateway.url}${path}`, { method })
      assert.notInclude(await response.text(), '"code":"not_found"', `${method} ${path}`)
    }
  })

  it("finds a model by each spelling of its name", async () => {
    const { key } = await gateway.createKey()
    for (const name of ["sim-swift/swift-1", "sim-swift%2Fswift-1", "swift-1", "%73wift-1"]) {
      const response = await fetch(`${gateway.url}/v1/models/${name}`, { headers: { "x-api-key": key } })
      assert.strictEqual(response.status, 200, name)
    }
  })
})
