import { Context, Effect, Layer } from "effect"
import { ofConfig } from "../config/of-config.ts"
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
    Effect.map(Settings, (settings) => {
      const configured = ofConfig(settings, ({ providers }) => new Set(providers.map(({ name }) => name)))
      const balances = new Map<string, number>()
      const balanceOf = (provider: string) =>
        balances.get(provider) ?? (configured().has(provider) ? START : 0)
      return RetryBudget.of({
        deposit: (provider) => {
          if (!configured().has(provider)) return
          const { retryRatio } = settings.gateway.limits
          balances.set(provider, Math.min(CAP, balanceOf(provider) + retryRatio))
        },
        withdraw: (provider) => {
          const balance = balanceOf(provider)
          if (balance < 1) return false
          balances.set(provider, balance - 1)
          return true
        },
        giveBack: (provider) => {
          balances.set(provider, Math.min(CAP, balanceOf(provider) + 1))
        },
      })
    }),
  )
}
