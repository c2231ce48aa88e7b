import { Context, Effect, Layer } from "effect"
import { Settings } from "../config/Settings.ts"

/** Retries that a provider has before it has seen traffic, and the most that quiet times save up. */
const START = 3
const CAP = 10

/**
 * Bounds retries to a share of each provider's requests, so that retrying cannot multiply the load on a provider
 * in trouble. Every first attempt earns the share, every retry spends one. Synchronous, one number per provider.
 */
export class RetryBudget extends Context.Service<
  RetryBudget,
  {
    /** Earns for the first attempt of a request at a provider. */
    readonly deposit: (provider: string) => void
    /** Spends one retry; false = the retry must not happen. */
    readonly withdraw: (provider: string) => boolean
    /** Takes back a retry that did not happen. */
    readonly giveBack: (provider: string) => void
  }
>()("gateway/routing/RetryBudget") {
  static readonly layer = Layer.effect(
    RetryBudget,
    Effect.map(Settings, ({ gateway }) => {
      const balances = new Map(gateway.providers.map((provider) => [provider.name, START]))
      return RetryBudget.of({
        deposit: (provider) => {
          const balance = balances.get(provider)
          if (balance !== undefined) {
            balances.set(provider, Math.min(CAP, balance + gateway.limits.retryRatio))
          }
        },
        withdraw: (provider) => {
          const balance = balances.get(provider) ?? 0
          if (balance < 1) return false
          balances.set(provider, balance - 1)
          return true
        },
        giveBack: (provider) => {
          balances.set(provider, Math.min(CAP, (balances.get(provider) ?? 0) + 1))
        },
      })
    }),
  )
}
