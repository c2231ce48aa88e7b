import { Clock, Effect } from "effect"
import { priceVersion, sourceOf } from "../catalog/cost.ts"
import type { ModelConfig } from "../catalog/model.ts"
import { priceAt } from "../catalog/price-history.ts"
import type { GatewayConfig } from "../config/GatewayConfig.ts"
import { toUsd } from "../domain/Money.ts"
import type { KeyState } from "../providers/Provider.ts"
import { type Router, TYPICAL_INPUT_TOKENS } from "../routing/Router.ts"

/** Lists every model of the configuration for operators, with what the router learned of it. */
export const listRoutedModels = (
  { off, providers }: Pick<GatewayConfig, "off" | "providers">,
  router: Pick<Router["Service"], "keysOf" | "outlookOf" | "refusalsOf" | "troubleOf">,
) =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
    Effect.map(
      Effect.forEach(
        providers.flatMap(({ kind, models, name }) =>
          models.map((model) => ({ provider: name, simulated: kind === "simulated", model })),
        ),
        ({ provider, model, simulated }) =>
          Effect.map(
            Effect.all([
              router.refusalsOf(`${provider}/${model.name}`),
              router.troubleOf(`${provider}/${model.name}`),
              router.outlookOf(`${provider}/${model.name}`),
              router.keysOf(provider, model.name),
            ]),
            ([refusals, { leftMs, state, why }, outlook, keys]) => ({
              provider,
              model: model.name,
              simulated,
              kind: model.kind,
              context_window: model.contextWindow ?? null,
              max_output_tokens: model.maxOutputTokens ?? null,
              price: priceNow(model, nowMs),
              inputs: model.inputs ?? null,
              unsupported: model.unsupported ?? [],
              health: { state, until: leftMs === null ? null : instant(nowMs + leftMs), why },
              outlook: {
                availability: Math.round(outlook.availability * 1000) / 1000,
                input_tokens: TYPICAL_INPUT_TOKENS,
                predicted_ms: Math.round(outlook.wholeMs),
                predicted_first_token_ms: model.kind === "chat" ? Math.round(outlook.firstTokenMs) : null,
                answers: outlook.answers,
                in_flight: outlook.inFlight,
                in_flight_limit: Number.isFinite(outlook.limit) ? Math.floor(outlook.limit) : null,
              },
              failures: outlook.failures.map(({ agoMs, kind, requestId, status }) => ({
                request_id: requestId,
                kind,
                status,
                at: instant(nowMs - agoMs),
              })),
              keys: keys?.map((key) => keyNow(key, nowMs)) ?? null,
              refused: refusals.map(({ agoMs, dialect, leftMs, parameter }) => ({
                parameter,
                dialect,
                since: instant(nowMs - agoMs),
                until: instant(nowMs + leftMs),
              })),
            }),
          ),
      ),
      (data) => ({ data, off: [...off].map(([provider, { why }]) => ({ provider, why })) }),
    ),
  )

const keyNow = ({ leftMs, name, weight, why }: KeyState, nowMs: number) => ({
  name,
  weight,
  ...(leftMs === 0
    ? { state: "healthy" as const, until: null, why: null }
    : { state: "resting" as const, until: instant(nowMs + leftMs), why: why ?? null }),
})

const priceNow = ({ price }: ModelConfig, nowMs: number) => {
  const row = priceAt(price, nowMs)
  return row === undefined
    ? null
    : {
        input_usd_per_1m: toUsd(row.inputNanoPer1M),
        cached_input_usd_per_1m: toUsd(row.cachedInputNanoPer1M),
        output_usd_per_1m: toUsd(row.outputNanoPer1M),
        price_version: priceVersion(row),
        ...sourceOf(row),
      }
}

const instant = (ms: number): string => new Date(ms).toISOString()
