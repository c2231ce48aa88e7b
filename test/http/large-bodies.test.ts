import { spawn } from "node:child_process"
import { once } from "node:events"
import { request } from "node:http"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { text } from "node:stream/consumers"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { type HeavyBody, heavyBodies } from "../support/heavy-bodies.ts"
import { scaled } from "../support/slowness.ts"

/** What a large body does to everybody else, from its first byte to its last attempt. */

const MEGABYTES = 2
/**
 * What a body may take of the loop is counted in `body-budget`; here are its pauses in real time, beside whatever else the
 * machine does. Before there were bounds they were seconds.
 */
const MAX_DELAY_MS = 400

const upstream = spawn(process.execPath, [join(import.meta.dirname, "../support/upstream-process.ts")], {
  stdio: ["pipe", "pipe", "inherit"],
})
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  const [line] = await once(upstream.stdout, "data")
  const openAiUrl = String(line).trim()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: `
providers:
  - { name: o, kind: openai-compatible, base_url: "${openAiUrl}", models: [{ name: m }] }
  - { name: e, kind: openai-compatible, base_url: "${openAiUrl}", models: [{ name: m, kind: embedding }] }
  - { name: g, kind: gemini, base_url: "${openAiUrl.replace("/v1", "")}", models: [{ name: m }] }
limits: { requests_per_minute: 100000 }
`,
    env: { MAX_BODY_BYTES: "3000000", GEMINI_API_KEY: "k" },
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  upstream.stdin.end()
  await gateway?.stop()
})

const send = async ({ endpoint }: HeavyBody, body: Buffer): Promise<{ status: number; said: string }> => {
  const sent = request(`${gateway.url}${endpoint}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key, "content-length": body.length },
  })
  sent.end(body)
  const [response] = await once(sent, "response")
  return { status: response.statusCode, said: await text(response) }
}

it.each(heavyBodies)("$name delays nobody for long", async (body) => {
  const bytes = body.make(MEGABYTES * 1e6)
  // The best of some: neither garbage collection nor a busy neighbour is a property of the body.
  let delayMs = Number.POSITIVE_INFINITY
  for (let run = 0; run < 6 && delayMs > scaled(MAX_DELAY_MS); run++) {
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const { said, status } = await send(body, bytes)
    delay.disable()
    assert.oneOf(status, [200, 400], said.slice(0, 500))
    delayMs = Math.min(delayMs, delay.max / 1e6)
  }
  assert.isBelow(delayMs, scaled(MAX_DELAY_MS))
})
