import { Context, Layer, Redacted } from "effect"
import type { KeyHealthOf } from "./http/http-provider.ts"
import { KeyHealth } from "./http/KeyHealth.ts"

/** What keys of pools are known for. It outlives a change of the configuration, for keys that are still the same. */
export class KeyMemory extends Context.Service<
  KeyMemory,
  {
    /** Returns what is known of a key of a provider; anew where its name has another value, or the provider is elsewhere. */
    readonly healthOf: KeyHealthOf
  }
>()("gateway/providers/KeyMemory") {
  static readonly layer = Layer.sync(KeyMemory, () => {
    /** By provider and name: only configured ones get here. */
    const known = new Map<string, { readonly reachedBy: string; readonly health: KeyHealth }>()
    return {
      healthOf: (provider, { name, value }) => {
        const id = `${provider.name}/${name}`
        const reachedBy = `${provider.baseUrl} ${Redacted.value(value)}`
        const found = known.get(id)
        if (found?.reachedBy === reachedBy) return found.health
        const health = new KeyHealth()
        known.set(id, { reachedBy, health })
        return health
      },
    }
  })
}
