import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What a browser's session opens, and what another page that the browser has open cannot do with it. */

let gateway: GatewayInProcess
let off: GatewayInProcess
beforeAll(async () => {
  gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
  off = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { UI: "off" },
  })
})
afterAll(async () => {
  await gateway?.stop()
  await off?.stop()
})

const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: object) =>
  fetch(`${gateway.url}${path}`, {
    method,
    headers: { ...headers, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  })

interface Session {
  readonly operator: object
  readonly csrf_token: string
  readonly expires_at: string
}

const signIn = async (role: "admin" | "viewer" = "admin", headers: Record<string, string> = {}) => {
  const token = await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role })
  const response = await ask("POST", "/ui/session", { authorization: `Bearer ${token}`, ...headers })
  assert.strictEqual(response.status, 200)
  const { session } = (await response.json()) as { session: Session }
  const setCookie = response.headers.get("set-cookie") ?? ""
  return { session, setCookie, cookie: setCookie.split(";")[0] ?? "", token }
}

const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

describe("a screen of the page", () => {
  it("has one address, to which who adds a slash is sent", async () => {
    const sentTo = async (path: string, url = gateway.url) => {
      const response = await fetch(`${url}${path}`, { redirect: "manual" })
      return [response.status, response.headers.get("location")]
    }
    assert.deepStrictEqual(await sentTo("/ui/"), [308, "/ui"])
    assert.deepStrictEqual(await sentTo("/ui/keys/?q=a%2Fb"), [308, "/ui/keys?q=a%2Fb"])
    assert.deepStrictEqual(await sentTo("/ui/requests/dwWrL4jGrrLT/"), [308, "/ui/requests/dwWrL4jGrrLT"])
    for (const path of ["/ui//", "/ui/nothing/", "/ui//example.com/", "/ui/../livez/", "/livez/"])
      assert.deepStrictEqual(await sentTo(path.replace("..", "%2e%2e")), [404, null], path)
    assert.deepStrictEqual(await sentTo("/ui/", off.url), [404, null])
  })
})

describe("a session of the page", () => {
  it("begins by an admin token alone", async () => {
    for (const headers of [{}, { authorization: "Bearer x" }]) {
      const response = await ask("POST", "/ui/session", headers)
      assert.strictEqual(response.status, 401)
      assert.isNull(response.headers.get("set-cookie"))
    }
    const { session } = (await (await ask("GET", "/ui/session")).json()) as { session: null }
    assert.isNull(session)
  })

  it("is in a cookie that no script reads, no other site sends, and TLS is not left with", async () => {
    const { setCookie } = await signIn()
    assert.match(
      setCookie,
      /^gateway_session_[0-9a-f]{8}=[\w.-]+; Max-Age=(3600|3599); Path=\/; HttpOnly; SameSite=Strict$/,
    )
    const secure = await signIn("admin", { origin: "https://gateway.example.com" })
    assert.include(secure.setCookie, "; Secure")
  })

  it("is not that of another gateway on the same host", async () => {
    const other = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      env: { ADMIN_JWT_SECRET: "another-secret-of-another-gateway-0" },
    })
    try {
      const [name = ""] = (await signIn()).cookie.split("=")
      const response = await fetch(`${other.url}/ui/session`, { method: "DELETE" })
      const [others = ""] = (response.headers.get("set-cookie") ?? "").split("=")
      assert.match(others, /^gateway_session_/)
      assert.notStrictEqual(others, name)
    } finally {
      await other.stop()
    }
  })

  it("reads, and changes something with its own CSRF token alone", async () => {
    const { cookie, session } = await signIn()
    assert.strictEqual((await ask("GET", "/admin/keys", { cookie })).status, 200)
    const known = (await (await ask("GET", "/ui/session", { cookie })).json()) as { session: Session }
    assert.deepStrictEqual(known.session, session)

    const other = await signIn()
    const wrong = [{}, { "x-gateway-csrf": "" }, { "x-gateway-csrf": other.session.csrf_token }]
    for (const headers of wrong) {
      const response = await ask("POST", "/admin/keys", { cookie, ...headers }, { name: "forged" })
      assert.strictEqual(response.status, 403)
      assert.strictEqual(await codeOf(response), "csrf_token_required")
      const renewal = await ask("POST", "/ui/session", { cookie, ...headers })
      assert.strictEqual(renewal.status, 403)
    }
    const mine = { cookie, "x-gateway-csrf": session.csrf_token }
    assert.strictEqual((await ask("POST", "/admin/keys", mine, { name: "made" })).status, 200)
    assert.strictEqual((await ask("POST", "/ui/session", mine)).status, 200)
    const keys = (await (await ask("GET", "/admin/keys", { cookie })).json()) as { data: [{ name: string }] }
    assert.deepStrictEqual(
      keys.data.map(({ name }) => name),
      ["made"],
    )
    const audit = (await (await ask("GET", "/admin/audit", { cookie })).json()) as {
      data: [{ actor: string }]
    }
    assert.strictEqual(audit.data[0].actor, "Ada")
  })

  it("keeps its CSRF token when it is renewed, as other tabs know that one", async () => {
    const { cookie, session } = await signIn()
    const renewed = await ask("POST", "/ui/session", { cookie, "x-gateway-csrf": session.csrf_token })
    assert.strictEqual(
      ((await renewed.json()) as { session: Session }).session.csrf_token,
      session.csrf_token,
    )
  })

  it("of a viewer changes nothing", async () => {
    const { cookie, session } = await signIn("viewer")
    const mine = { cookie, "x-gateway-csrf": session.csrf_token }
    const response = await ask("POST", "/admin/keys", mine, { name: "x" })
    assert.strictEqual(await codeOf(response), "admin_role_required")
    assert.strictEqual((await ask("GET", "/admin/keys", mine)).status, 200)
    assert.strictEqual((await ask("POST", "/ui/session", mine)).status, 200)
  })

  it("is not a bearer's token, nor is a bearer's token a session, and a wrong bearer is not helped by a cookie", async () => {
    const { cookie, token } = await signIn()
    const value = cookie.split("=")[1] ?? ""
    const asBearer = await ask("GET", "/admin/keys", { authorization: `Bearer ${value}` })
    const asCookie = await ask("GET", "/admin/keys", {
      cookie: `${(await signIn()).cookie.split("=")[0]}=${token}`,
    })
    const both = await ask("GET", "/admin/keys", { authorization: "Bearer wrong", cookie })
    for (const response of [asBearer, asCookie, both]) {
      assert.strictEqual(response.status, 401)
      assert.strictEqual(await codeOf(response), "invalid_admin_token")
    }
  })

  it("opens no route of clients", async () => {
    const { cookie, session } = await signIn()
    const mine = { cookie, "x-gateway-csrf": session.csrf_token }
    assert.strictEqual((await ask("POST", "/infer", mine, { prompt: "hello" })).status, 401)
  })

  it("ends: the browser is told to forget it", async () => {
    const { cookie } = await signIn()
    const response = await ask("DELETE", "/ui/session", { cookie })
    assert.match(
      response.headers.get("set-cookie") ?? "",
      /^gateway_session_[0-9a-f]{8}=; Max-Age=0; Path=\//,
    )
  })

  it("is not to be had where the page is off", async () => {
    const { cookie } = await signIn()
    for (const path of ["/ui", "/ui/session", "/ui/keys", "/ui/assets/x.js"]) {
      assert.strictEqual((await fetch(`${off.url}${path}`)).status, 404)
    }
    assert.strictEqual((await fetch(`${off.url}/admin/keys`, { headers: { cookie } })).status, 401)
  })
})

describe("the page", () => {
  it("is the same at each of its screens, is asked for again, and lets nothing else in or out", async () => {
    const [page, screen] = [await ask("GET", "/ui"), await ask("GET", "/ui/requests/0192")]
    assert.strictEqual(await page.text(), await screen.text())
    assert.strictEqual(page.headers.get("cache-control"), "no-cache")
    const policy = page.headers.get("content-security-policy") ?? ""
    assert.notMatch(policy, /unsafe|\*|https?:/)
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
      assert.include(policy, part)
    }
  })

  it("loads files that are kept for ever under their names, compressed, and less than 150 KB before it shows something", async () => {
    const html = await (await ask("GET", "/ui")).text()
    const files = [...html.matchAll(/(?:src|href)="(\/ui\/assets\/[^"]+)"/g)].map(([, file = ""]) => file)
    assert.isAbove(files.length, 2)
    let bytes = html.length
    for (const file of files) {
      const response = await ask("GET", file, { "accept-encoding": "br" })
      assert.strictEqual(response.headers.get("cache-control"), "public, max-age=31536000, immutable")
      assert.strictEqual(response.headers.get("content-encoding"), "br")
      bytes += Number(response.headers.get("content-length"))
    }
    assert.isBelow(bytes, 150_000)
    const unknown = await ask("GET", "/ui/assets/index-00000000.js")
    assert.strictEqual(unknown.status, 404)
  })
})
