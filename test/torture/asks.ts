import { type Behaviour, failure, ok, resetBeforeHeaders } from "../support/fake-upstream-behaviours.ts"
import { streamThenReset } from "../support/fake-upstream-streams.ts"
import { Random } from "./Random.ts"

/** What clients ask for and how the providers take it. All of it follows from the seed and the number of the ask. */
export interface Ask {
  readonly number: number
  readonly path: "/infer" | "/v1/chat/completions"
  /** The end user that it names, who asks for nothing else: its rows are known by it. */
  readonly user: string
  readonly headers: Readonly<Record<string, string>>
  readonly route: string
  readonly body: string
  readonly stream: boolean
  readonly idempotencyKey: string | undefined
  /** Sent twice at the same time, to be answered once. */
  readonly doubled: boolean
  /** The client goes away: this long after it asked, or with the first bytes. */
  readonly leaves: number | "first bytes" | undefined
}

/** Cheapest first, and cost alone decides: most asks are for `p0` and then `p1`, some begin where nobody listens. */
export const config = (upstreams: readonly [string, string], deadPort: number, ledger: string): string => `
providers:
${[`http://127.0.0.1:${deadPort}/v1`, ...upstreams]
  .map(
    (baseUrl, i) => `  - name: ${["dead", "p0", "p1"][i]}
    kind: openai-compatible
    base_url: ${baseUrl}
    models:
      - name: m
        price: { input_usd_per_1m: ${i + 1}, output_usd_per_1m: ${2 * (i + 1)}, source: test, as_of: 2026-11-01 }`,
  )
  .join("\n")}
routes:
  alive: { candidates: [p0/m, p1/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  dead-first: { candidates: [dead/m, p0/m], exploration: 0, weights: { latency: 0, cost: 1 } }
timeouts: { deadline_ms: 10000, stream_ms: 10000, drain_ms: 5000 }
limits: { requests_per_minute: 1000000, max_event_loop_delay_ms: 60000, retry_ratio: 1 }
ledger: { journal: ${ledger} }
`

const userOf = (number: number): string => `ask-${number}.`

export const numberIn = (prompt: string): number => Number(/^ask-(\d+)\.$/.exec(prompt)?.[1])

export const makeAsk = (seed: number, number: number): Ask => {
  const random = new Random(seed, number, 1)
  const route = number % 12 === 7 ? "dead-first" : "alive"
  const user = userOf(number)
  const stream = random.chance(0.5)
  const keyed = random.chance(0.25)
  const idempotencyKey = keyed ? `key-${number}` : undefined
  const v1 = random.chance(0.5)
  const away = random.next()
  return {
    number,
    user,
    path: v1 ? "/v1/chat/completions" : "/infer",
    route,
    stream,
    body: JSON.stringify(
      v1
        ? { model: route, messages: [{ role: "user", content: user }], stream, user }
        : { model: route, prompt: user, stream },
    ),
    headers: {
      ...(!v1 && { "x-gateway-user": user }),
      ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
    },
    idempotencyKey,
    doubled: keyed && random.chance(0.4),
    leaves:
      keyed || away > 0.14 ? undefined : away < 0.07 ? Math.floor(away * 1000) : ("first bytes" as const),
  }
}

/** Good for most; slow enough that many are under way at any moment. */
export const behaviourOf = (seed: number, number: number, provider: 0 | 1): Behaviour => {
  const random = new Random(seed, number, 2, provider)
  const kind = random.next()
  const delayMs = random.chance(0.1) ? random.between(300, 900) : random.between(5, 120)
  const good = {
    text: `answer to ${number} of p${provider} `.repeat(random.between(1, 3)),
    delayMs,
    msBetween: random.between(5, 25),
  }
  const troubled = provider === 0 ? 0.14 : 0.03
  if (kind < troubled * 0.4) return failure("serverError")
  if (kind < troubled * 0.7) return resetBeforeHeaders()
  if (kind < troubled) {
    return (exchange) =>
      (exchange.asked.operation === "stream"
        ? streamThenReset(random.between(0, 4), good)
        : failure("overloaded"))(exchange)
  }
  if (kind < troubled + 0.04) return ok({ ...good, usage: null })
  if (kind < troubled + 0.1) return ok({ ...good, usage: { input: 900, output: 70, cached: 333 } })
  return ok(good)
}
