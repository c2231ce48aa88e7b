import { Clock, Effect, Random } from "effect"
import type { SimulatedProviderConfig } from "../../src/config/GatewayConfig.ts"
import type { StoredRequest } from "../../src/replay/logged-request.ts"
import type { Weights } from "../../src/routing/score.ts"
import { attempt, plan } from "../routing/planning.ts"
import { ask, price, refs, route, simulated, steppingClock, world } from "../routing/world.ts"

/** Rows as the ledger would have them of requests that the real router sent to simulated providers, in no time. */

const provider = (name: string, usd: number, simulation: Partial<SimulatedProviderConfig["simulation"]>) =>
  simulated(name, [{ name: "m", price: price(usd) }], simulation)

/** Who is quick is dear; the cheap one fails now and then. */
const fleet = [
  provider("quick", 8, { medianMs: 300, p95Ms: 900, msPerOutputToken: 1 }),
  provider("middling", 3, { medianMs: 700, p95Ms: 1_500, msPerOutputToken: 4 }),
  provider("cheap", 1, { medianMs: 1_200, p95Ms: 4_000, msPerOutputToken: 8, serverErrorRate: 0.02 }),
]

export const routedLog = (
  weights: Weights,
  exploration: number,
  { requests, seed }: { readonly requests: number; readonly seed: string },
): Effect.Effect<ReadonlyArray<StoredRequest>> =>
  Effect.gen(function* () {
    const rows: Array<StoredRequest> = []
    for (let i = 0; i < requests; i++) {
      yield* Effect.sleep(500)
      const words = Math.round(10 * 2 ** (yield* Random.nextBetween(0, 6)))
      const request = ask("word ".repeat(words), {
        max_tokens: yield* Random.nextIntBetween(20, 400),
      })
      const startedMs = yield* Clock.currentTimeMillis
      const { candidates, decision, route: routed } = yield* plan({ request })
      const attempts: Array<StoredRequest["attempts"][number]> = []
      for (const candidate of candidates) {
        const { model, provider } = candidate
        const { outcome, usage } = yield* attempt(candidate, 300)
        const { inputNanoPer1M = 0, outputNanoPer1M = 0 } = model.price ?? {}
        attempts.push({
          provider: provider.name,
          model: model.name,
          outcome,
          input_tokens: usage?.inputTokens ?? null,
          output_tokens: usage?.outputTokens ?? null,
          cached_tokens: usage?.cachedTokens ?? null,
          cache_write_tokens: usage?.cacheWriteTokens ?? null,
          service_tier: null,
          reported: null,
          details: null,
          cost:
            usage &&
            Math.round((usage.inputTokens * inputNanoPer1M + usage.outputTokens * outputNanoPer1M) / 1e6),
        })
        if (outcome === "success") break
      }
      const answered = attempts.at(-1)?.outcome === "success"
      rows.push({
        id: String(i),
        route: routed,
        started: String(startedMs),
        started_ms: startedMs,
        status: answered ? 200 : 502,
        error_code: answered ? null : "all_providers_failed",
        latency_ms: (yield* Clock.currentTimeMillis) - startedMs,
        first_token_ms: null,
        decision,
        attempts,
      })
    }
    return rows
  }).pipe(
    Effect.provide(
      world(fleet, [
        route(refs(...fleet.map(({ name }) => `${name}/m`)), { weights, exploration, hysteresis: 0.1 }),
      ]),
    ),
    Random.withSeed(seed),
    Effect.provideService(Clock.Clock, steppingClock()),
    Effect.orDie,
  )
