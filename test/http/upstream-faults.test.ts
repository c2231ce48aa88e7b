import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import {
  type Behaviour,
  crHeader,
  empty,
  failure,
  gzip,
  hang,
  html,
  hugeBody,
  hugeHeader,
  noContent,
  ok,
  redirect,
  resetBeforeHeaders,
  resetMidBody,
  status,
  truncatedJson,
} from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"

/**
 * Providers in trouble, seen from the client. Every fault has providers of its own in one gateway, so that no
 * breaker remembers the fault before; cost alone decides, so that the troubled ones, cheaper, are asked first.
 */

interface Fault {
  readonly name: string
  readonly behaviour: () => Behaviour
  /** Calls of the troubled provider when another can be asked, and what its client gets when none can. */
  readonly calls: number
  readonly alone: { readonly status: number; readonly code: string }
}

const badResponse = { status: 502, code: "upstream_bad_response" }
const failed = { status: 502, code: "upstream_error" }

const faults: ReadonlyArray<Fault> = [
  { name: "resets the connection before headers", behaviour: resetBeforeHeaders, calls: 2, alone: failed },
  { name: "resets the connection half way through", behaviour: resetMidBody, calls: 2, alone: failed },
  {
    name: "accepts and never answers",
    behaviour: hang,
    calls: 1,
    alone: { status: 504, code: "upstream_timeout" },
  },
  { name: "answers 200 with HTML", behaviour: () => html(), calls: 2, alone: badResponse },
  { name: "answers 502 with HTML", behaviour: () => html(502), calls: 2, alone: failed },
  { name: "answers 200 with nothing", behaviour: empty, calls: 2, alone: badResponse },
  { name: "answers 204", behaviour: noContent, calls: 2, alone: badResponse },
  { name: "answers half a JSON", behaviour: truncatedJson, calls: 2, alone: badResponse },
  {
    name: "redirects to a metadata address",
    behaviour: () => redirect("http://169.254.169.254/"),
    calls: 2,
    alone: badResponse,
  },
  { name: "compresses unasked", behaviour: () => gzip(), calls: 2, alone: badResponse },
  { name: "answers with too many bytes", behaviour: () => hugeBody(100_000), calls: 1, alone: badResponse },
  { name: "answers with a 64 KB header", behaviour: () => hugeHeader(65_536), calls: 2, alone: badResponse },
  { name: "answers with a CR in a header", behaviour: crHeader, calls: 2, alone: badResponse },
  { name: "answers 500", behaviour: () => failure("serverError"), calls: 2, alone: failed },
  {
    name: "refuses our key",
    behaviour: () => failure("badKey"),
    calls: 1,
    alone: { status: 502, code: "upstream_auth" },
  },
  {
    name: "is out of quota",
    behaviour: () => failure("quotaExhausted"),
    calls: 1,
    alone: { status: 503, code: "upstream_quota" },
  },
  {
    name: "limits our rate for longer than a request lives",
    behaviour: () => failure("rateLimited", { "retry-after": "30" }),
    calls: 1,
    alone: { status: 429, code: "upstream_rate_limited" },
  },
  {
    name: "is overloaded",
    behaviour: () => failure("overloaded"),
    calls: 2,
    alone: { status: 503, code: "upstream_overloaded" },
  },
]

let troubled: FakeUpstream
let healthy: FakeUpstream
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  troubled = await FakeUpstream.start()
  healthy = await FakeUpstream.start()
  // Two per fault, then one for the clients' own mistakes, one for leaving, and the healthy one.
  const upstreams = [...faults.flatMap(() => [troubled, troubled]), troubled, troubled, healthy]
  const last = upstreams.length - 1
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      upstreams,
      `
routes:
${faults
  .map(
    (
      _,
      i,
    ) => `  pair${i}: { candidates: [p${2 * i}/m, p${last}/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  alone${i}: { candidates: [p${2 * i + 1}/m], exploration: 0, weights: { latency: 0, cost: 1 } }`,
  )
  .join("\n")}
  fresh: { candidates: [p${last - 2}/m, p${last}/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  growing: { candidates: [p${last - 2}/m], larger_context: [p${last}/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  leaving: { candidates: [p${last - 1}/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  healthy: { candidates: [p${last}/m], exploration: 0, weights: { latency: 0, cost: 1 } }
timeouts: { connect_ms: 500, headers_ms: 700, body_ms: 700, deadline_ms: 3000 }
limits: { requests_per_minute: 100000, max_upstream_bytes: 65536 }`,
      (i) => (i === last ? 1000 : 1),
    ),
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await troubled?.stop()
  await healthy?.stop()
})

const ask = async (model: string, text = "Hi") => {
  const response = await gateway.infer(key, { model, prompt: text })
  const raw = await response.text()
  return {
    status: response.status,
    raw,
    headers: response.headers,
    body: JSON.parse(raw) as Record<string, unknown>,
  }
}

describe.each(faults.map((fault, i) => ({ ...fault, i })))(
  "a provider that $name",
  ({ behaviour, calls, alone, i }) => {
    it("costs the client nothing while another can answer", async () => {
      troubled.reset()
      healthy.reset()
      troubled.respond(behaviour())
      healthy.respond(ok({ text: "from the healthy one" }))
      const answer = await ask(`pair${i}`)
      assert.strictEqual(answer.status, 200, answer.raw)
      assert.strictEqual(answer.body.output, "from the healthy one")
      assert.strictEqual(troubled.count, calls)
      assert.strictEqual(healthy.count, 1)
    })

    it("alone gives a clear error of our own within the attempt budget", async () => {
      troubled.reset()
      troubled.respond(behaviour())
      const answer = await ask(`alone${i}`)
      assert.deepInclude({ status: answer.status, code: answer.body.code }, alone)
      assert.isAtMost(troubled.count, 4)
      assert.strictEqual(answer.headers.get("x-gateway-attempts"), String(troubled.count))
      assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
      assert.notMatch(answer.raw, /html|sk-|smuggled|169\.254/i)
      if (alone.status === 429 || (alone.status === 503 && alone.code !== "upstream_quota")) {
        assert.match(answer.headers.get("retry-after") ?? "", /^[1-9]\d*$/)
      }
      if (alone.code === "upstream_quota") assert.strictEqual(answer.headers.get("x-should-retry"), "false")
    })
  },
)

describe("what is the client's own", () => {
  it.each([
    ["contentFilter", "content_filter"],
    ["badRequest", "invalid_request"],
    ["contextTooLong", "context_length_exceeded"],
  ] as const)("%s goes nowhere else and comes back as 400 %s", async (trouble, code) => {
    troubled.reset()
    healthy.reset()
    troubled.respond(failure(trouble))
    const answer = await ask("fresh")
    assert.deepInclude({ status: answer.status, code: answer.body.code }, { status: 400, code })
    assert.strictEqual(troubled.count, 1)
    assert.strictEqual(healthy.count, 0)
    assert.strictEqual(answer.headers.get("x-should-retry"), "false")
  })

  it("a prompt too long for the route is asked of the configured larger model only", async () => {
    troubled.reset()
    healthy.reset()
    troubled.respond(failure("contextTooLong"))
    healthy.respond(ok({ text: "from the larger one" }))
    const answer = await ask("growing")
    assert.strictEqual(answer.body.output, "from the larger one")
    assert.strictEqual(troubled.count, 1)
  })

  it("a client that leaves stops the upstream call within a second", async () => {
    troubled.reset()
    troubled.respond(hang())
    const controller = new AbortController()
    const asked = gateway.infer(key, { model: "leaving", prompt: "Hi" }, { signal: controller.signal })
    await troubled.until(({ count }) => count === 1)
    controller.abort()
    await asked.then(
      () => assert.fail("answered"),
      () => {},
    )
    await troubled.until(({ calls }) => calls[0]?.outcome === "lost")
  })
})

describe("usage that makes no sense", () => {
  it.each([
    ["missing", undefined],
    ["null", null],
    ["negative", { prompt_tokens: -1, completion_tokens: 5 }],
    ["absurd", { prompt_tokens: 1e300, completion_tokens: 5 }],
    ["fractional", { prompt_tokens: 1.5, completion_tokens: 5 }],
    ["text", { prompt_tokens: "12", completion_tokens: "5" }],
  ])("%s usage gives cost null, not 0", async (_, usage) => {
    healthy.reset()
    healthy.respond(
      status(200, {
        id: "x",
        object: "chat.completion",
        created: 1,
        model: "m",
        choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }],
        usage,
      }),
    )
    const answer = await ask("healthy")
    assert.strictEqual(answer.status, 200)
    assert.isNull(answer.body.cost)
    assert.isNull(answer.body.usage)
    assert.strictEqual(answer.headers.get("x-gateway-cost"), "unknown")
  })

  it("unknown values of the provider's enums pass", async () => {
    healthy.reset()
    healthy.respond(
      status(200, {
        id: "x",
        object: "chat.completion",
        created: 1,
        model: "m",
        future_field: { a: 1 },
        choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "bored" }],
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, future: 1 },
      }),
    )
    const answer = await ask("healthy")
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.body.finish_reason, "other")
  })
})
