import { costOf, expectedCost } from "../../catalog/cost.ts"
import type { ModelConfig } from "../../catalog/model.ts"
import { priceAt } from "../../catalog/price-history.ts"
import type { GatewayConfig } from "../../config/GatewayConfig.ts"
import type { PriceAttempt } from "../../replay/logged-request.ts"
import type { NewPolicy, NewRules } from "../../replay/redecide.ts"

interface Tried {
  readonly policy: NewPolicy
  /** Absent: attempts cost what they were booked with. */
  readonly price?: PriceAttempt
}

/** Makes the policy in which routes that weigh go by other weights, and all else is as it was. */
export const otherWeights = (weights: NewRules["weights"]): Tried => ({
  policy: {
    rulesFor: ({ strategy }) =>
      strategy === "score"
        ? {
            strategy,
            weights,
            explores: true,
            candidates: undefined,
            largerContext: [],
            shares: new Map(),
          }
        : "unchanged",
    expectedNanoUsd: (_, { predictedNanoUsd }) => predictedNanoUsd,
  },
})

/** Makes the policy of a configuration. What it prices otherwise than the one that holds `now` is priced anew. */
export const ofConfig = (
  config: GatewayConfig,
  now: GatewayConfig,
  weights: NewRules["weights"] | undefined,
): Tried => {
  const models = modelsOf(config)
  const before = modelsOf(now)
  const repriced = new Map(
    [...models].filter(
      ([key, { price }]) => JSON.stringify(price) !== JSON.stringify(before.get(key)?.price),
    ),
  )
  const rules = new Map(
    [...config.routes].map(([name, { candidates, largerContext, ...route }]) => [
      name,
      {
        strategy: route.strategy,
        weights: route.strategy === "score" ? (weights ?? route.weights) : route.weights,
        explores: route.exploration > 0,
        candidates: candidates.map(keyOf),
        largerContext: largerContext.map(keyOf),
        shares: new Map(candidates.map((each) => [keyOf(each), each.weight ?? 0])),
      },
    ]),
  )
  const bare = new Set([...models.values()].map(({ name }) => name))
  const auto = rules.get("auto")
  return {
    policy: {
      rulesFor: ({ route }) => {
        const known = rules.get(route)
        if (known !== undefined) return known
        // Names that are no route stand for the models behind them, and go by the rules of `auto`.
        const isModel = models.has(route) || bare.has(route)
        return isModel && auto !== undefined ? { ...auto, candidates: undefined } : "no_route"
      },
      expectedNanoUsd: ({ inputTokens, startedAt }, candidate) => {
        const model = repriced.get(candidate.key)
        if (model === undefined) return candidate.predictedNanoUsd
        const price = priceAt(model.price, startedAt)
        return price && expectedCost(price, inputTokens, candidate.cachedTokens, candidate.outputTokens)
      },
    },
    price: (provider, model, usage, startedAt) => {
      const known = repriced.get(`${provider}/${model}`)
      return known && costOf(known.price, usage, startedAt)
    },
  }
}

const keyOf = ({ model, provider }: { readonly model: string; readonly provider: string }): string =>
  `${provider}/${model}`

const modelsOf = ({ providers }: GatewayConfig): ReadonlyMap<string, ModelConfig> =>
  new Map(
    providers.flatMap(({ models, name }) => models.map((model) => [`${name}/${model.name}`, model] as const)),
  )
