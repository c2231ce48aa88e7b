import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import OpenAI from "openai"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import {
  type Behaviour,
  empty,
  failure,
  gzip,
  hang,
  html,
  noContent,
  ok,
  redirect,
  resetBeforeHeaders,
} from "../support/fake-upstream-behaviours.ts"
import { errorSamples } from "../support/fake-upstream-errors.ts"
import {
  commentsOnly,
  endless,
  errorFirstFrame,
  mislabelledStream,
  rawStream,
  roleThenReset,
  silentStream,
  streamThenCut,
  streamThenEnd,
  streamThenError,
  streamThenHang,
  streamThenReset,
} from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { metric } from "../support/process-watch.ts"
import { parseEvents, type StreamClient } from "../support/StreamClient.ts"
import { endOf, StreamHistory } from "../support/StreamHistory.ts"
import { scaled } from "../support/slowness.ts"

/**
 * Streams in trouble, seen from the client: until something is said the next provider takes over unnoticed, after
 * that the stream ends with an error of its own. Every fault has providers of its own in one gateway, so that no
 * breaker remembers the fault before; cost alone decides, so that the troubled ones, cheaper, are asked first.
 */

interface EarlyFault {
  readonly name: string
  readonly behaviour: () => Behaviour
  /** Calls of the troubled provider while another can be asked, and what its client gets when none can. */
  readonly calls: number
  readonly alone: readonly [status: number, code: string]
}

const failed = [502, "upstream_error"] as const
const badResponse = [502, "upstream_bad_response"] as const
const timedOut = [504, "upstream_timeout"] as const
const overloaded = [503, "upstream_overloaded"] as const

const early: ReadonlyArray<EarlyFault> = [
  { name: "resets before headers", behaviour: resetBeforeHeaders, calls: 2, alone: failed },
  { name: "never answers", behaviour: hang, calls: 1, alone: timedOut },
  { name: "is silent after the headers", behaviour: silentStream, calls: 1, alone: timedOut },
  { name: "sends only comments", behaviour: () => commentsOnly(20), calls: 1, alone: timedOut },
  { name: "resets after the role", behaviour: roleThenReset, calls: 2, alone: failed },
  { name: "is silent after the role", behaviour: () => streamThenHang(0), calls: 1, alone: timedOut },
  { name: "ends after the role", behaviour: () => streamThenEnd(0), calls: 2, alone: failed },
  { name: "cuts the body after the role", behaviour: () => streamThenCut(0), calls: 2, alone: failed },
  { name: "ends without an event", behaviour: () => rawStream([]), calls: 2, alone: failed },
  { name: "sends an error first", behaviour: errorFirstFrame, calls: 2, alone: overloaded },
  { name: "sends an error after the role", behaviour: () => streamThenError(0), calls: 2, alone: overloaded },
  {
    name: "sends garbage first",
    behaviour: () => rawStream(["data: <p>\n\n"]),
    calls: 2,
    alone: badResponse,
  },
  { name: "sends too large an event", behaviour: () => rawStream([hugeEvent]), calls: 2, alone: badResponse },
  { name: "streams as text/plain", behaviour: mislabelledStream, calls: 2, alone: badResponse },
  {
    name: "streams as JSON",
    behaviour: () => mislabelledStream("application/json"),
    calls: 2,
    alone: badResponse,
  },
  { name: "answers 200 with HTML", behaviour: html, calls: 2, alone: badResponse },
  { name: "answers 200 with nothing", behaviour: empty, calls: 2, alone: badResponse },
  { name: "answers 204", behaviour: noContent, calls: 2, alone: badResponse },
  { name: "compresses unasked", behaviour: gzip, calls: 2, alone: badResponse },
  { name: "redirects", behaviour: () => redirect("http://169.254.169.254/"), calls: 2, alone: badResponse },
  { name: "answers 500", behaviour: () => failure("serverError"), calls: 2, alone: failed },
  {
    name: "refuses our key in the stream",
    behaviour: () => errorFirstFrame(errorSamples.badKey.openai.body),
    calls: 1,
    alone: [502, "upstream_auth"],
  },
]

interface LateFault {
  readonly name: string
  readonly behaviour: () => Behaviour
  readonly code: string
  readonly outcome: string
}

const late: ReadonlyArray<LateFault> = [
  {
    name: "falls silent",
    behaviour: () => streamThenHang(3),
    code: "upstream_timeout",
    outcome: "timeout",
  },
  {
    name: "never comes to an end",
    behaviour: () => ok({ text: "word ".repeat(1000), msBetween: 20 }),
    code: "upstream_timeout",
    outcome: "timeout",
  },
  {
    name: "says more than an answer may have",
    behaviour: () => endless(8_192),
    code: "upstream_bad_response",
    outcome: "bad_response",
  },
  { name: "ends early", behaviour: () => streamThenEnd(3), code: "upstream_error", outcome: "reset" },
  { name: "resets", behaviour: () => streamThenReset(3), code: "upstream_error", outcome: "reset" },
  { name: "cuts the body", behaviour: () => streamThenCut(3), code: "upstream_error", outcome: "reset" },
  {
    name: "sends an error",
    behaviour: () => streamThenError(3),
    code: "upstream_overloaded",
    outcome: "overloaded",
  },
  {
    name: "refuses to go on",
    behaviour: () => streamThenError(3, errorSamples.contentFilter.openai.body),
    code: "content_filter",
    outcome: "content_filter",
  },
  {
    name: "sends garbage",
    behaviour: () => rawStream([...opening, "data: <html>\n\n", "data: [DONE]\n\n"]),
    code: "upstream_bad_response",
    outcome: "bad_response",
  },
  {
    name: "sends too large an event",
    behaviour: () => rawStream([...opening, hugeEvent, "data: [DONE]\n\n"]),
    code: "upstream_bad_response",
    outcome: "bad_response",
  },
]

/** Providers by number: those of the faults, then these; the last one is well. */
const LIVELY = 2 * early.length + late.length
const TOLD = LIVELY + 1
const BREAKING = LIVELY + 2
const LEFT = LIVELY + 3
const SDK = LIVELY + 4
const OWN = LIVELY + 7
const LARGER = LIVELY + 8
const HEALTHY = LIVELY + 9

const MAX_UPSTREAM_BYTES = 65_536
const STREAM_MS = 3_000

const chunk = (delta: object): string =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`
const opening = [chunk({ role: "assistant", content: "" }), chunk({ content: "Once upon" })]
const hugeEvent = chunk({ content: "x".repeat(MAX_UPSTREAM_BYTES) })

let troubled: FakeUpstream
let larger: FakeUpstream
let healthy: FakeUpstream
/** Its streams do not get a keep-alive: what fails before the first token can still become a status. */
let gateway: GatewayInProcess
let key: string
let databaseUrl: Redacted.Redacted
const history = new StreamHistory()

/** A provider in a process of its own, which can be stopped. */
const startProcess = async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../support/upstream-process.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  const [line] = await once(child.stdout.setEncoding("utf8"), "data")
  return { child, baseUrl: String(line).trim() }
}
let stoppable: Awaited<ReturnType<typeof startProcess>>

beforeAll(async () => {
  ;[troubled, larger, healthy, stoppable, databaseUrl] = await Promise.all([
    FakeUpstream.start(),
    FakeUpstream.start(),
    FakeUpstream.start(),
    startProcess(),
    Effect.runPromise(migratedPostgresUrl),
  ])
  const only = "exploration: 0, weights: { latency: 0, cost: 1 }"
  const pair = (name: string, i: number) => `${name}: { candidates: [p${i}/m, p${HEALTHY}/m], ${only} }`
  gateway = await GatewayInProcess.start({
    databaseUrl,
    config: providersYaml(
      [...Array.from({ length: LARGER }, () => troubled), larger, healthy],
      `
  - name: stoppable
    kind: openai-compatible
    base_url: ${stoppable.baseUrl}
    models: [{ name: m }]
  - name: google
    kind: gemini
    base_url: ${troubled.url}
    models: [{ name: m, price: { input_usd_per_1m: 1, output_usd_per_1m: 1, source: test, as_of: 2026-11-01 } }]
routes:
  ${early.map((_, i) => pair(`early${i}`, 2 * i)).join("\n  ")}
  ${late.map((_, i) => pair(`late${i}`, 2 * early.length + i)).join("\n  ")}
  ${pair("told", TOLD)}
  ${pair("own", OWN)}
  google: { candidates: [google/m, p${HEALTHY}/m], ${only} }
  growing: { candidates: [p${OWN}/m, p${HEALTHY}/m], larger_context: [p${LARGER}/m], ${only} }
timeouts:
  connect_ms: 500
  headers_ms: 1200
  body_ms: 800
  first_token_ms: 900
  stream_ms: ${STREAM_MS}
  keep_alive_ms: 60000
limits: { requests_per_minute: 100000, max_upstream_bytes: ${MAX_UPSTREAM_BYTES} }`,
      (i) => (i === HEALTHY ? 1000 : 1),
    ),
    env: { GEMINI_API_KEY: "gemini-test-key" },
  })
  key = (await gateway.createKey()).key
  troubled.respond((exchange) => scripts.get(exchange.asked.prompt)?.(exchange))
  larger.respond((exchange) => ok({ text: "from the larger one" })(exchange))
  healthy.respond((exchange) =>
    ok({ text: `healthy: ${exchange.asked.prompt}`, firstMs: 50, msBetween: 5 })(exchange),
  )
})

afterAll(async () => {
  await gateway?.stop()
  await troubled?.stop()
  await larger?.stop()
  await healthy?.stop()
  stoppable?.child.kill("SIGKILL")
})

/** What the troubled provider does, by prompt, so that tests do not get in each other's way. */
const scripts = new Map<string, Behaviour>()
const script = (name: string, behaviour: Behaviour): string => {
  const prompt = `${name} ${scripts.size}`
  scripts.set(prompt, behaviour)
  return prompt
}

const chat = (model: string, prompt: string, stream = true): StreamClient =>
  history.ask({
    url: gateway.url,
    path: "/v1/chat/completions",
    key,
    body: { model, messages: [{ role: "user", content: prompt }], stream },
  })

const infer = (model: string, prompt: string): StreamClient =>
  history.ask({ url: gateway.url, path: "/infer", key, body: { model, prompt, stream: true } })

const finished = async (client: StreamClient): Promise<StreamClient> => {
  await client.ended
  return client
}

const dataOf = (client: StreamClient): ReadonlyArray<Record<string, unknown>> =>
  client.events.filter(({ data }) => data !== "[DONE]").map(({ data }) => JSON.parse(data))

interface Choice {
  readonly delta: { readonly role?: string; readonly content?: string | null }
}

/** What the deltas of a chat stream say. */
const deltasOf = (client: StreamClient): ReadonlyArray<Choice["delta"]> =>
  dataOf(client).flatMap(({ choices }) => (choices as ReadonlyArray<Choice>).map(({ delta }) => delta))

const rowOf = async ({ requestId }: StreamClient) => {
  for (let tries = 0; tries < 100; tries++) {
    const response = await gateway.admin("/analytics/requests?limit=1000")
    const { data } = (await response.json()) as { data: ReadonlyArray<Record<string, unknown>> }
    const row = data.find(({ request_id }) => request_id === requestId)
    if (row !== undefined) return row
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return assert.fail(`no row for ${requestId}`)
}

const callsOf = (upstream: FakeUpstream, prompt: string) =>
  upstream.calls.filter(({ asked }) => asked.prompt === prompt)

const textOf = (client: StreamClient): string =>
  deltasOf(client)
    .map(({ content }) => content ?? "")
    .join("")

describe.concurrent.each(early.map((fault, i) => ({ ...fault, i })))("a provider that $name", (fault) => {
  it("is left for the next one without a trace in the stream", async () => {
    const prompt = script(fault.name, fault.behaviour())
    const client = await finished(chat(`early${fault.i}`, prompt))
    assert.strictEqual(client.status, 200, client.text)
    assert.strictEqual(textOf(client), `healthy: ${prompt}`)
    assert.strictEqual(deltasOf(client).filter(({ role }) => role !== undefined).length, 1)
    assert.strictEqual(endOf(client.text), "done")
    assert.strictEqual(client.headers["x-gateway-provider"], `p${HEALTHY}`)
    assert.strictEqual(client.headers["x-gateway-attempts"], String(fault.calls + 1))
    assert.strictEqual(callsOf(troubled, prompt).length, fault.calls)
    assert.strictEqual(callsOf(healthy, prompt).length, 1)
  })

  it("alone gives a status and an error of our own within the attempt budget", async () => {
    const prompt = script(fault.name, fault.behaviour())
    const client = await finished(chat(`p${2 * fault.i + 1}/m`, prompt))
    const [status, code] = fault.alone
    assert.strictEqual(client.status, status, client.text)
    assert.strictEqual(client.headers["content-type"], "application/json")
    const { error } = JSON.parse(client.text) as { error: Record<string, unknown> }
    assert.strictEqual(error.code, code)
    const calls = callsOf(troubled, prompt).length
    assert.isAtMost(calls, 4)
    assert.strictEqual(client.headers["x-gateway-attempts"], String(calls))
    assert.notMatch(client.text, /html|sk-|169\.254|data:/i)
  })
})

describe.concurrent.each(late.map((fault, i) => ({ ...fault, i })))(
  "a provider that, having begun, $name",
  (fault) => {
    it("ends the client's stream with an error, and nobody else is asked", async () => {
      const prompt = script(fault.name, fault.behaviour())
      const client = await finished(chat(`late${fault.i}`, prompt))
      assert.strictEqual(client.status, 200)
      assert.strictEqual(endOf(client.text), "error", client.text)
      assert.deepInclude(dataOf(client).at(-1)?.error, { code: fault.code })
      const [call, ...others] = callsOf(troubled, prompt)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(callsOf(healthy, prompt), [])

      // What was said before is exactly what came from there.
      const said = client.events.slice(0, -1)
      const sent = parseEvents(call?.streamed.join("") || opening.join(""))
      assert.isAtLeast(said.length, 2)
      assert.deepStrictEqual(said, sent.slice(0, said.length))
      await troubled.until(() => call?.outcome !== "pending")

      const row = await rowOf(client)
      if (fault.name === "falls silent") assert.isBelow(Number(row.latency_ms), STREAM_MS - 300)
      assert.deepInclude(row, {
        status: 200,
        error_code: fault.code,
        stream: true,
        finish_reason: null,
        usage_estimated: true,
        attempts: 1,
      })
      assert.isAbove(Number(row.output_tokens), 0)
      assert.isAbove(Number(row.cost_usd), 0)
    })

    it("ends a stream of /infer in the same way", async () => {
      const prompt = script(fault.name, fault.behaviour())
      const client = await finished(infer(`p${2 * early.length + fault.i}/m`, prompt))
      assert.strictEqual(client.status, 200)
      assert.strictEqual(endOf(client.text), "error", client.text)
      const events = dataOf(client)
      assert.deepInclude(events.at(-1)?.error, { code: fault.code, request_id: client.requestId })
      assert.isTrue(events.slice(0, -1).every(({ delta }) => typeof delta === "string"))
      assert.isAtLeast(events.length, 2)
    })
  },
)

describe.concurrent("what is the client's own to see", () => {
  const { contentFilter, contextTooLong } = errorSamples
  const blocked: Behaviour = (exchange) => {
    const event = `data: ${JSON.stringify(contentFilter.gemini.body)}\r\n\r\n`
    return exchange.asked.operation === "stream"
      ? rawStream([event])(exchange)
      : failure("contentFilter")(exchange)
  }
  const refusals = [
    { route: "own", how: "as an answer", streams: [false, true], behaviour: failure("contentFilter") },
    {
      route: "own",
      how: "in the stream",
      streams: [true],
      behaviour: errorFirstFrame(contentFilter.openai.body),
    },
    { route: "google", how: "as Google does", streams: [false, true], behaviour: blocked },
  ].flatMap(({ streams, ...refusal }) => streams.map((stream) => ({ ...refusal, stream })))

  it.each(refusals)("a refusal $how is not taken elsewhere (stream: $stream)", async (refusal) => {
    const prompt = script("refused", refusal.behaviour)
    const client = await finished(chat(refusal.route, prompt, refusal.stream))
    assert.strictEqual(client.status, 400, client.text)
    assert.deepInclude(JSON.parse(client.text).error, {
      code: "content_filter",
      type: "invalid_request_error",
    })
    assert.strictEqual(client.headers["x-should-retry"], "false")
    assert.strictEqual(callsOf(troubled, prompt).length, 1)
    assert.strictEqual(callsOf(healthy, prompt).length, 0)
  })

  it.each([[false], [true]])("an answer that a filter ended is an answer (stream: %s)", async (stream) => {
    const prompt = script("filtered", ok({ text: "", finish: "content_filter" }))
    const client = await finished(chat("own", prompt, stream))
    assert.strictEqual(client.status, 200)
    assert.include(client.text, '"finish_reason":"content_filter"')
    assert.strictEqual(callsOf(troubled, prompt).length, 1)
    assert.strictEqual(callsOf(healthy, prompt).length, 0)
    assert.deepInclude(await rowOf(client), {
      status: 200,
      finish_reason: "content_filter",
      error_code: null,
      stream,
    })
  })

  const tooLong = [
    { how: "as an answer", streams: [false, true], behaviour: failure("contextTooLong") },
    { how: "in the stream", streams: [true], behaviour: errorFirstFrame(contextTooLong.openai.body) },
  ].flatMap(({ streams, ...refusal }) => streams.map((stream) => ({ ...refusal, stream })))

  it.each(tooLong)(
    "too long a prompt, told $how, goes to the larger model alone (stream: $stream)",
    async (told) => {
      const prompt = script("long", told.behaviour)
      const client = await finished(chat("growing", prompt, told.stream))
      assert.strictEqual(client.status, 200)
      assert.strictEqual(client.headers["x-gateway-provider"], `p${LARGER}`)
      assert.strictEqual(callsOf(troubled, prompt).length, 1)
      assert.strictEqual(callsOf(larger, prompt).length, 1)
      assert.strictEqual(callsOf(healthy, prompt).length, 0)
    },
  )

  it.each(tooLong)("and without one comes back, told $how (stream: $stream)", async (told) => {
    const prompt = script("long", told.behaviour)
    const client = await finished(chat("own", prompt, told.stream))
    assert.strictEqual(client.status, 400)
    assert.strictEqual(JSON.parse(client.text).error.code, "context_length_exceeded")
    assert.strictEqual(callsOf(troubled, prompt).length, 1)
    assert.strictEqual(callsOf(healthy, prompt).length, 0)
  })
})

describe.concurrent("time", () => {
  it("is up for a stream as a whole, however lively it is", async () => {
    const prompt = script("lively", ok({ text: "word ".repeat(1000), msBetween: 20 }))
    const startedAt = performance.now()
    const client = await finished(chat(`p${LIVELY}/m`, prompt))
    const elapsedMs = performance.now() - startedAt
    assert.strictEqual(endOf(client.text), "error")
    assert.isAtLeast(elapsedMs, STREAM_MS - 50)
    assert.isBelow(elapsedMs, scaled(STREAM_MS + 1_000))
    const [call] = callsOf(troubled, prompt)
    await troubled.until(() => call?.outcome === "lost")
  })

  it("is up for a provider whose process stands still", async () => {
    const client = chat("stoppable/m", "Hi")
    await client.until(({ events }) => events.length > 3)
    stoppable.child.kill("SIGSTOP")
    await client.ended
    assert.strictEqual(endOf(client.text), "error")
    assert.deepInclude(dataOf(client).at(-1)?.error, { code: "upstream_timeout" })
    stoppable.child.kill("SIGCONT")
  })

  it("is told before the body, with who answers after how many attempts", async () => {
    const client = chat("told", script("a long answer ".repeat(40), roleThenReset()))
    const { headers } = await client.head
    assert.isUndefined(endOf(client.text))
    assert.deepInclude(headers, {
      "x-gateway-attempts": "3",
      "x-gateway-provider": `p${HEALTHY}`,
      "x-gateway-model": "m",
      "x-ratelimit-limit-requests": "100000",
    })
    const timing = /^auth;dur=(\d+), route;dur=(\d+), upstream;dur=(\d+), gateway;dur=(\d+)$/.exec(
      String(headers["server-timing"]),
    )
    // Two attempts that took 20 ms each to fail, and the one that began after 50.
    assert.isAtLeast(Number(timing?.[3]), 80)
    await client.ended
  })
})

describe.concurrent("the openai client", () => {
  it.each([
    ["stops", () => streamThenHang(3), 0],
    ["is truncated", () => streamThenEnd(3), 1],
    ["has an error", () => streamThenError(3), 2],
  ] as const)("throws when a stream %s", async (name, behaviour, i) => {
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    history.others += 1
    const stream = await openai.chat.completions.create({
      model: `p${SDK + i}/m`,
      messages: [{ role: "user", content: script(name, behaviour()) }],
      stream: true,
    })
    let text = ""
    const failure = await (async () => {
      for await (const event of stream) text += event.choices[0]?.delta.content ?? ""
    })().then(
      () => undefined,
      (error: unknown) => error,
    )
    assert.instanceOf(failure, OpenAI.APIError)
    assert.match(text, /^echo/)
  })
})

describe("the circuit breaker", () => {
  const isOpen = (provider: number) =>
    metric(gateway.url, `gateway_breaker_open{provider="p${provider}",model="m"}`)

  it("learns of a stream at its end: one that has begun well takes back nothing", async () => {
    const model = `p${BREAKING}/m`
    for (let i = 0; i < 4; i++) await chat(model, script("breaks", streamThenEnd(2))).ended
    const running = chat(model, script("runs", ok({ text: "word ".repeat(1000), msBetween: 20 })))
    await running.until(({ events }) => events.length >= 3)
    assert.strictEqual(await isOpen(BREAKING), 0)
    await chat(model, script("breaks", streamThenEnd(2))).ended
    assert.strictEqual(await isOpen(BREAKING), 1)
    assert.isUndefined(running.ending)
    running.leave()
  })

  it("learns nothing from clients that leave", async () => {
    for (let i = 0; i < 6; i++) {
      const prompt = script("left", streamThenHang(2))
      const client = chat(`p${LEFT}/m`, prompt)
      await client.until(({ events }) => events.length >= 3)
      client.leave()
      await troubled.until(() => callsOf(troubled, prompt)[0]?.outcome === "lost")
    }
    assert.strictEqual(await isOpen(LEFT), 0)
  })
})

describe("all of it", () => {
  it("ended in [DONE] or an error, has its rows, and never broke the gateway", async () => {
    history.checkEndings()
    // One call went to the provider in its own process.
    await history.checkLedger(databaseUrl, [troubled, larger, healthy, { count: 1 }])
    assert.notMatch(gateway.stdout + gateway.stderr, /unhandled|unexpectedly/i)
  })
})
