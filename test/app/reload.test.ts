import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { freshPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Behaviour, failure, ok, status } from "../support/fake-upstream-behaviours.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually, metric } from "../support/process-watch.ts"
import { Replica } from "../support/Replica.ts"
import { StreamClient } from "../support/StreamClient.ts"
import { endOf } from "../support/StreamHistory.ts"
import { scaled } from "../support/slowness.ts"

const world = async (workers: number) => {
  const folder = await mkdtemp(join(tmpdir(), "gateway-reload-"))
  const keyFile = join(folder, "key")
  await writeFile(keyFile, "key-one\n")
  const upstreams = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
  const [p0, p1] = upstreams
  const configOf = (candidates: string, rest = "") =>
    providersYaml(
      upstreams,
      `routes: { auto: { candidates: [${candidates}], strategy: priority } }\n${rest}`,
    ).replaceAll(/^ +base_url: .*$/gm, "$&\n    api_key_env: P_KEY")
  const gateway = await Replica.start({
    databaseUrl: await Effect.runPromise(freshPostgresUrl).then(Redacted.value),
    config: configOf("p0/m"),
    env: { WORKERS: String(workers), P_KEY_FILE: keyFile, Q_KEY: "another-key" },
  })
  await gateway.ready()
  const { key } = await gateway.createKey()
  return {
    ...{ configOf, gateway, key, keyFile, p0, p1 },
    ask: async () => {
      const client = new StreamClient({ url: gateway.url, path: "/infer", key, body: { prompt: "hello" } })
      await client.ended
      assert.strictEqual(client.status, 200, client.text)
      return String(client.headers["x-gateway-provider"])
    },
    reload: () => gateway.admin("/admin/config/reload", { method: "POST" }),
    [Symbol.asyncDispose]: async () => {
      await gateway.stop()
      await gateway.remove()
      await Promise.all(upstreams.map((upstream) => upstream.stop()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

describe("a configuration that changes under a running gateway", { timeout: scaled(90_000) }, () => {
  it("holds from one request to the next, and what was begun ends as it began", async () => {
    await using it = await world(1)
    const { ask, configOf, gateway, key, keyFile, p0, p1, reload } = it
    assert.strictEqual(await ask(), "p0")
    p0.respond(ok({ text: "one two three four five six seven eight nine ten", msBetween: 300 }))
    const stream = new StreamClient({
      ...{ url: gateway.url, path: "/infer", key },
      body: { prompt: "hello", stream: true },
    })
    await stream.until(({ bytes }) => bytes > 0, 10_000)
    p0.respond(ok())

    // The file is watched; nobody who asks in the meantime notices more than another name.
    await gateway.configure(configOf("p1/m"))
    await eventually(async () => (await ask()) === "p1", 15_000)
    assert.strictEqual(await stream.ended, "end")
    assert.strictEqual(endOf(stream.text), "done")
    assert.strictEqual(stream.headers["x-gateway-provider"] ?? "p0", "p0")
    assert.strictEqual(p1.calls[0]?.headers.authorization, "Bearer key-one")

    // A key from a file is read again.
    await writeFile(keyFile, "key-two")
    const reloaded = await reload()
    assert.strictEqual(reloaded.status, 200)
    assert.deepStrictEqual(await reloaded.json(), { at_next_start: [] })
    await ask()
    assert.strictEqual(p1.calls.at(-1)?.headers.authorization, "Bearer key-two")

    // Limits of keys without their own.
    await gateway.configure(configOf("p1/m", "limits: { requests_per_minute: 2 }"))
    assert.strictEqual((await reload()).status, 200)
    const statuses: Array<number> = []
    for (let i = 0; i < 4; i++) statuses.push((await gateway.infer(key, { prompt: "x" })).status)
    assert.include(statuses, 429)

    await gateway.configure(configOf("p1/m", "timeouts: { drain_ms: 7000 }"))
    assert.deepStrictEqual(await (await reload()).json(), { at_next_start: ["timeouts.drain_ms"] })
    // It still waits for that, also when nothing else has changed.
    assert.deepStrictEqual(await (await reload()).json(), { at_next_start: ["timeouts.drain_ms"] })
    const audit = await gateway.admin("/admin/audit?action=config.reload")
    assert.isTrue(audit.ok)
  })

  it("is refused as a whole with a fault in it, which everybody can see, until it is mended", async () => {
    await using it = await world(1)
    const { ask, configOf, gateway, reload } = it
    assert.strictEqual(await metric(gateway.url, "gateway_config_rejected"), 0)
    await gateway.configure(configOf("p1/m").replace("strategy: priority", "strategy: luck"))
    const refused = await reload()
    assert.strictEqual(refused.status, 422)
    const { code, detail } = (await refused.json()) as { code: string; detail: string }
    assert.strictEqual(code, "config_refused")
    assert.match(detail, /gateway\.yaml: routes\.auto\.strategy must be/)
    assert.strictEqual(await ask(), "p0")
    assert.strictEqual(await metric(gateway.url, "gateway_config_rejected"), 1)
    const { body, status } = await gateway.readyz()
    assert.strictEqual(status, 200)
    assert.match(JSON.stringify(body), /"degraded".*configuration not reloaded: .*routes\.auto\.strategy/)

    await gateway.configure(configOf("p1/m"))
    gateway.signal("SIGHUP")
    await eventually(async () => (await ask()) === "p1", 15_000)
    assert.strictEqual(await metric(gateway.url, "gateway_config_rejected"), 0)
    assert.deepStrictEqual((await gateway.readyz()).body.reasons, [])
  })

  it("keeps what is known of a provider that is reached as before, and forgets the rest", async () => {
    await using it = await world(1)
    const { ask, configOf, gateway, keyFile, p0, reload } = it
    await gateway.configure(configOf("p0/m, p1/m"))
    assert.strictEqual((await reload()).status, 200)
    p0.respond(failure("serverError"))
    const open = 'gateway_breaker_open{provider="p0",model="m"}'
    await eventually(async () => {
      await ask()
      return (await metric(gateway.url, open)) === 1
    }, 20_000)
    await gateway.configure(configOf("p0/m, p1/m", "limits: { max_attempts: 3 }"))
    assert.strictEqual((await reload()).status, 200)
    assert.strictEqual(await metric(gateway.url, open), 1)
    await writeFile(keyFile, "another")
    assert.strictEqual((await reload()).status, 200)
    assert.strictEqual(await metric(gateway.url, open), 0)
  })

  it("holds nothing against a provider with its new key that requests from before are told with the former one", async () => {
    await using it = await world(1)
    const { configOf, gateway, key, keyFile, p0, p1, reload } = it
    await gateway.configure(configOf("p1/m, p0/m"))
    assert.strictEqual((await reload()).status, 200)
    const reloaded = Promise.withResolvers<void>()
    const afterwards =
      (behaviour: Behaviour): Behaviour =>
      (exchange) =>
        void reloaded.promise.then(() => behaviour(exchange))
    const usedUp = { "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "600s" }
    p0.enqueue(afterwards(status(429, {}, { "retry-after": "600" })), afterwards(ok({ headers: usedUp })))
    p0.respond((exchange) =>
      (exchange.request.headers.authorization === "Bearer key-one" ? status(401, {}) : ok())(exchange),
    )
    p1.respond(afterwards(failure("serverError")))
    const limited = gateway.infer(key, { prompt: "x", model: "p0/m" })
    await p0.until(({ count }) => count === 1)
    const answered = gateway.infer(key, { prompt: "x", model: "p0/m" })
    await p0.until(({ count }) => count === 2)
    const fallsBack = gateway.infer(key, { prompt: "x" })
    await p1.until(({ count }) => count === 1)
    await writeFile(keyFile, "key-two")
    assert.strictEqual((await reload()).status, 200)
    reloaded.resolve()
    const ends = await Promise.all([limited, answered, fallsBack])
    assert.deepStrictEqual(
      ends.map((end) => end.ok),
      [false, true, false],
    )
    assert.deepStrictEqual(
      p0.calls.map(({ headers }) => headers.authorization),
      ["Bearer key-one", "Bearer key-one", "Bearer key-one"],
    )
    const models = await gateway.admin("/admin/models")
    const { data } = (await models.json()) as {
      data: ReadonlyArray<{ provider: string; health: { state: string } }>
    }
    assert.strictEqual(data.find(({ provider }) => provider === "p0")?.health.state, "healthy")
    assert.strictEqual(await metric(gateway.url, 'gateway_upstream_in_flight{provider="p0",model="m"}'), 0)
    assert.strictEqual((await gateway.infer(key, { prompt: "x" })).headers.get("x-gateway-provider"), "p0")
  })

  it("keeps what is known of the keys of a pool that are the same", async () => {
    await using it = await world(1)
    const { ask, configOf, gateway, keyFile, p0, reload } = it
    const pooled = (weight: number, rest = "") =>
      configOf("p0/m", rest).replace(
        "api_key_env: P_KEY",
        `api_keys: [{ env: P_KEY, name: first, weight: ${weight} }, { env: Q_KEY, weight: 0.001 }]`,
      )
    await writeFile(keyFile, "dead")
    p0.respond((exchange) =>
      (exchange.request.headers.authorization === "Bearer dead" ? status(401, {}) : ok())(exchange),
    )
    const resting = 'gateway_upstream_key_resting_models{provider="p0",key="first"}'
    await gateway.configure(pooled(1_000_000))
    assert.strictEqual((await reload()).status, 200)
    assert.strictEqual(await ask(), "p0")
    assert.strictEqual(await metric(gateway.url, resting), 1)
    await gateway.configure(pooled(999_999, "limits: { max_attempts: 3 }"))
    assert.strictEqual((await reload()).status, 200)
    assert.strictEqual(await metric(gateway.url, resting), 1)
    assert.strictEqual(await ask(), "p0")
    assert.lengthOf(
      p0.calls.filter(({ headers }) => headers.authorization === "Bearer dead"),
      1,
    )
    await writeFile(keyFile, "mended")
    assert.strictEqual((await reload()).status, 200)
    assert.strictEqual(await metric(gateway.url, resting), 0)
    await ask()
    assert.strictEqual(p0.calls.at(-1)?.headers.authorization, "Bearer mended")
  })

  it("holds for all workers, whichever of them was told", async () => {
    await using it = await world(2)
    const { ask, configOf, gateway, reload } = it
    await gateway.configure(configOf("p1/m"))
    assert.strictEqual((await reload()).status, 200)
    await eventually(async () => {
      const asked = [await ask(), await ask(), await ask(), await ask()]
      return asked.every((provider) => provider === "p1")
    }, 15_000)
    await gateway.configure(configOf("p0/m"))
    gateway.signal("SIGHUP")
    await eventually(async () => {
      const asked = [await ask(), await ask(), await ask(), await ask()]
      return asked.every((provider) => provider === "p0")
    }, 15_000)
  })
})
