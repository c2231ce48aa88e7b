import { Context, Layer, Redacted } from "effect"
import type { KeyHealthOf } from "./http/http-provider.ts"
import { KeyHealth } from "./http/KeyHealth.ts"

/** What keys of pools are known for. It outlives a change of the configuration, for keys that are still the same. */
export class KeyMemory extends Context.Service<
  KeyMemory,
  {
    /** Returns what is known of a key of a provider; anew where its name has another value. */
    readonly healthOf: KeyHealthOf
  }
>()("gateway/providers/KeyMemory") {
  static readonly layer = Layer.sync(KeyMemory, () => {
    /** By provider and name: only configured ones get here. */
    const known = new Map<string, { readonly value: string; readonly health: KeyHealth }>()
    return {
      healthOf: (provider, { name, value }) => {
        const id = `${provider}/${name}`
        const found = known.get(id)
        if (found?.value === Redacted.value(value)) return found.health
        const health = new KeyHealth()
        known.set(id, { value: Redacted.value(value), health })
        return health
      },
    }
  })
}
