import { presetOf } from "../catalog/vendors.ts"
import { builtinVendors } from "../config/builtin-providers.ts"
import { slugOf } from "./address.ts"
import type { Target } from "./litellm-vendors.ts"
import type { YamlMapping, YamlValue } from "./yaml-text.ts"

/** Providers while they are put together: deployments of one account at one address are models of one provider. */

type Limits = { readonly [Name in "rpm" | "tpm" | "concurrency"]?: number }

export interface ModelDraft {
  /** Fields of the model beside its name. */
  readonly fields: Map<string, YamlValue>
  /** What each deployment of it may be asked. */
  readonly limits: Array<Limits>
}

export interface ProviderDraft {
  readonly target: Target
  readonly url: string | undefined
  readonly keyVariable: string | undefined
  readonly reportsCost: boolean
  readonly models: Map<string, ModelDraft>
  /** It serves whatever its vendor is known for. */
  hasWildcard: boolean
  /** What it would like to be called. */
  wanted: string
  /** Known when all deployments are read. */
  name: string
}

/** Returns what is known of a provider's vendor: the models that it serves without a list. */
export const knownModels = (target: Target): ReadonlyArray<string> => {
  if ("kind" in target) return builtinVendors[target.kind].models.map(({ name }) => name)
  return "preset" in target ? presetOf(target.preset).models.map(({ name }) => name) : []
}

/** Returns the variable of the key that a provider has unless it says another. */
export const usualVariable = (target: Target): string | undefined => {
  if ("kind" in target) return builtinVendors[target.kind].apiKeyEnv
  return "preset" in target ? presetOf(target.preset).apiKeyEnv : undefined
}

/** Returns a name for a provider: its vendor's, or that of its host. */
export const wantedName = (target: Target, url: string | undefined, prefix: string): string => {
  if ("kind" in target) return target.kind
  if ("preset" in target) return target.preset
  if (target.compatible !== undefined && target.compatible === url) return slugOf(prefix)
  const { hostname, port } = new URL(url ?? "http://unnamed")
  return slugOf(`${hostname.replace(/^(api|www)\./, "").replace(/\.(com|ai|io|net|org)$/, "")}-${port}`)
}

/** Gives each provider a name of its own: to the first who wants it, one that clients know before all others. */
export const nameProviders = (drafts: ReadonlyArray<ProviderDraft>): void => {
  const taken = new Set<string>()
  const counts = new Map<string, number>()
  const inTurn = [
    ...drafts.filter((draft) => draft.hasWildcard),
    ...drafts.filter((draft) => !draft.hasWildcard),
  ]
  for (const draft of inTurn) {
    draft.name = draft.wanted
    let count = counts.get(draft.wanted) ?? 1
    while (taken.has(draft.name)) {
      count += 1
      draft.name = `${draft.wanted}-${count}`
    }
    counts.set(draft.wanted, count)
    taken.add(draft.name)
  }
}

/** Returns a provider as the file states it. */
export const statedProvider = (draft: ProviderDraft): YamlMapping => {
  const { hasWildcard, keyVariable, models, name, reportsCost, target, url } = draft
  const own = "kind" in target ? target.kind : "preset" in target ? target.preset : undefined
  return {
    ...("kind" in target
      ? { name, kind: target.kind }
      : "preset" in target
        ? { preset: target.preset, name: name === own ? undefined : name }
        : { name, kind: "openai-compatible" }),
    base_url: url,
    api_key_env: keyVariable === usualVariable(target) ? undefined : keyVariable,
    reports_cost: reportsCost && "compatible" in target ? true : undefined,
    models: hasWildcard
      ? undefined
      : [...models].map(([model, { fields }]) => ({ name: model, ...Object.fromEntries(fields) })),
  }
}

const BOUNDS = { rpm: 1_000_000, tpm: 1_000_000_000, concurrency: 1_000_000 }

/** Returns the limits of a provider's models by `provider/model`; those of several deployments together. */
export const statedLimits = (drafts: ReadonlyArray<ProviderDraft>): YamlMapping =>
  Object.fromEntries(
    drafts.flatMap(({ models, name }) =>
      [...models].flatMap(([model, { limits }]) => {
        const sums = (["rpm", "tpm", "concurrency"] as const).flatMap((each) => {
          const stated = limits.flatMap((limit) => limit[each] ?? [])
          return stated.length === 0
            ? []
            : [
                [
                  each,
                  Math.min(
                    BOUNDS[each],
                    stated.reduce((sum, limit) => sum + limit),
                  ),
                ] as const,
              ]
        })
        return sums.length === 0 ? [] : [[`${name}/${model}`, Object.fromEntries(sums)] as const]
      }),
    ),
  )
