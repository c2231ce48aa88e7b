import { Schema } from "effect"
import { type ModelConfig, StatedModel } from "../catalog/model.ts"
import { presetOf } from "../catalog/vendors.ts"
import { builtinVendors } from "../config/builtin-providers.ts"
import { MAX_CONCURRENCY, MAX_REQUESTS_PER_MINUTE, MAX_TOKENS_PER_MINUTE } from "../domain/bounds.ts"
import { type Account, accountOf, type Context } from "./account.ts"
import { placeAt } from "./address.ts"
import { type Deployment, limitIn } from "./deployment.ts"
import { isEmpty, member, membersOf, nameOf, textIn } from "./document.ts"
import type { Target } from "./litellm-vendors.ts"
import { factsOf } from "./model-facts.ts"
import { MODEL_NOTE, parameterNotes } from "./parameter-notes.ts"
import { knownModels, type ModelDraft, type ProviderDraft, wantedName } from "./provider-draft.ts"
import type { Report } from "./report.ts"
import type { YamlValue } from "./yaml-text.ts"

/** Puts deployments into providers, and says of each of their fields what became of it. */

/** A deployment as a candidate of its route. */
export interface Candidate {
  readonly deployment: Deployment
  readonly provider: ProviderDraft
}

const LIMITS = [
  ["rpm", "rpm", MAX_REQUESTS_PER_MINUTE],
  ["tpm", "tpm", MAX_TOKENS_PER_MINUTE],
  ["max_parallel_requests", "concurrency", MAX_CONCURRENCY],
] as const

const allModels = (target: Target): ReadonlyArray<ModelConfig> => {
  if ("kind" in target) return builtinVendors[target.kind].models
  if (!("preset" in target)) return []
  const { models, unserved } = presetOf(target.preset)
  return [...models, ...unserved]
}

const writtenModel = Schema.encodeUnknownSync(StatedModel)

const isYaml = (value: unknown): value is YamlValue => value !== null && value !== undefined

/** Returns what is known of the model that `base_model` names, as a model of the file says it; undefined when nothing is. */
const baseFacts = (
  target: Target,
  base: string,
  kind: ModelConfig["kind"],
): ReadonlyArray<readonly [string, YamlValue]> | undefined => {
  const name = base.slice(base.lastIndexOf("/") + 1)
  const known = allModels(target).find((model) => model.name === name && model.kind === kind)
  if (known === undefined) return undefined
  return Object.entries(writtenModel(known)).flatMap(([field, value]) =>
    field === "name" || !isYaml(value) ? [] : [[field, value] as const],
  )
}

const modelOf = (provider: ProviderDraft, name: string): ModelDraft => {
  const known = provider.models.get(name)
  if (known !== undefined) return known
  const made: ModelDraft = { fields: new Map(), limits: [] }
  provider.models.set(name, made)
  return made
}

const isSame = (one: YamlValue, other: YamlValue): boolean => JSON.stringify(one) === JSON.stringify(other)

const isWildcard = ({ model }: Deployment): boolean => model.includes("*")

/** Says why all models of a vendor cannot be served; undefined when they can, or when one is meant. */
const wildcardFault = (deployment: Deployment): string | undefined => {
  if (!isWildcard(deployment)) return undefined
  const { param, prefix, vendor } = deployment
  const stated = textIn(param("api_base") ?? param("base_url"))
  const placed = stated === undefined ? undefined : placeAt(vendor.target, prefix, stated)
  const isElsewhere = "kind" in vendor.target && stated !== undefined && !("kind" in (placed?.target ?? {}))
  return isElsewhere || knownModels(vendor.target).length === 0
    ? "its models are not known here: list them by name"
    : undefined
}

const idOf = ({ keyVariable, target, url }: Account): string => JSON.stringify([target, url, keyVariable])

/** Returns parameters that a model refuses, with those that it is known to refuse: a list of the file takes their place. */
const withBuiltIn = (target: Target, name: string, stated: YamlValue): YamlValue => {
  const known = allModels(target).find((model) => model.name === name)?.unsupported ?? []
  return Array.isArray(stated) ? [...new Set([...known, ...stated])] : stated
}

/** Applies what a deployment says of its model. What an earlier one said of the same model holds. */
const applyFacts = ({ deployment, provider }: Candidate, report: Report, today: string): void => {
  const { fields, info, isEmbedding, model, param } = deployment
  const draft = modelOf(provider, model)
  const shown = (to: string) => () => `${provider.name}/${model}: ${to}`
  const { facts, refused } = factsOf(fields, isEmbedding, deployment.dropped, today)
  for (const { place, outcome, note } of refused) report.tell(place, outcome, { note })
  const mode = info("mode") ?? param("mode")
  report.tell(mode, textIn(mode) === "completion" ? "approximated" : "imported", {
    to: shown("kind"),
    ...(textIn(mode) === "completion" && { note: "asked by chat completions" }),
  })
  if (isEmbedding && !draft.fields.has("kind")) draft.fields.set("kind", "embedding")
  for (const { field, sources, value: said } of facts) {
    const value = field === "unsupported" ? withBuiltIn(provider.target, model, said) : said
    const stated = draft.fields.get(field)
    if (stated === undefined) draft.fields.set(field, value)
    for (const { place, to, note } of sources) {
      if (stated !== undefined && !isSame(stated, value)) {
        const differs = "an earlier deployment of the same model says something else, which holds for all"
        report.tell(place, "approximated", { to: shown(to), note: differs })
      } else if (note === undefined) report.tell(place, "imported", { to: shown(to) })
      else report.tell(place, "approximated", { to: shown(to), note })
    }
  }
  const base = info("base_model") ?? param("base_model")
  const name = textIn(base)
  if (name === undefined) return
  if (allModels(provider.target).some((each) => each.name === model)) {
    report.tell(base, "imported", { to: shown("known by its name") })
    return
  }
  const known = baseFacts(provider.target, name, isEmbedding ? "embedding" : "chat")
  if (known === undefined) {
    const note =
      "nothing is built in of this model: state context_window, max_output_tokens and price under the model"
    report.tell(base, "unsupported", { note })
    return
  }
  for (const [field, value] of known)
    if (!draft.fields.has(field) && field !== "kind") draft.fields.set(field, value)
  const note = "a copy of what is built in of it, prices included: they do not change with later versions"
  report.tell(base, "approximated", { to: shown("its facts"), note })
}

/** Notes the limits of a deployment, which are added up over all of the same model. */
const applyLimits = ({ deployment, provider }: Candidate, report: Report): void => {
  const draft = modelOf(provider, deployment.model)
  const stated = LIMITS.flatMap(([field, name, maximum]) => {
    const place = deployment.param(field)
    const limit = limitIn(place, maximum)
    if (place !== undefined && !isEmpty(place) && limit === undefined) {
      report.tell(place, "unsupported", {
        note: `must be a whole number from 1 to ${maximum}: state it in limits.models`,
      })
    }
    return limit === undefined ? [] : [[name, limit] as const]
  })
  draft.limits.push(Object.fromEntries(stated))
}

const tellLimits = ({ deployment, provider }: Candidate, report: Report): void => {
  const { model } = deployment
  const { limits } = modelOf(provider, model)
  for (const [field, name] of LIMITS) {
    const to = () => `limits.models ${provider.name}/${model}: ${name}`
    if (limits.length === 1) report.tell(deployment.param(field), "imported", { to })
    else {
      const note = "one limit for this model in all routes: those of its deployments together"
      report.tell(deployment.param(field), "approximated", { to, note })
    }
  }
}

const ONE =
  "one candidate with an earlier deployment of the same model, key and address: what they weigh and may be asked is added up"

/** Says of the model itself what became of it; `isSecond` where the route has it already. */
const tellModel = ({ deployment, provider }: Candidate, isSecond: boolean, report: Report): void => {
  const { model, param, vendor } = deployment
  const note = isSecond ? ONE : "preset" in provider.target ? vendor.note : undefined
  report.tell(param("model"), note === undefined ? "imported" : "approximated", {
    to: () => `${provider.name}/${model}`,
    ...(note !== undefined && { note }),
  })
}

const tellDropped = ({ deployment, provider }: Candidate, report: Report): void => {
  const { dropped, dropsAny, model, param } = deployment
  const known = new Set(dropped.map(({ place }) => place.path.join("\n")))
  const stated = param("additional_drop_params")
  for (const place of stated === undefined ? [] : membersOf(stated)) {
    if (known.has(place.path.join("\n"))) {
      report.tell(place, "imported", {
        to: () => `${provider.name}/${model}: unsupported, and parameters of its routes: drop`,
      })
    } else {
      const note = "never dropped, since the client's program goes by it, or no parameter of chat completions"
      report.tell(place, "unsupported", { note })
    }
  }
  const note = dropsAny
    ? "of parameters that a model may refuse and an answer can do without, for all candidates of the route"
    : "what a candidate does not take excludes it"
  report.tell(param("drop_params"), dropsAny ? "approximated" : "imported", { note })
}

const tellRest = ({ deployment, provider }: Candidate, report: Report): void => {
  const { fields, hasCredential, param } = deployment
  const to = () => `provider ${provider.name}`
  report.tell(param("custom_llm_provider"), "imported", { to })
  if (hasCredential) report.tell(param("litellm_credential_name"), "imported", { to })
  else {
    const note = "credential_list has none of this name: the provider's usual variable is read"
    report.tell(param("litellm_credential_name"), "unsupported", { note })
  }
  for (const place of fields) {
    const name = nameOf(place)
    const isInfo = place.path.includes("model_info")
    const note = isInfo && name === "max_tokens" ? MODEL_NOTE : parameterNotes.get(name)
    if (note === undefined) continue
    if (isEmpty(place)) report.tell(place, "imported", { note: "says nothing" })
    else report.tell(place, "unsupported", { note })
  }
  for (const name of ["rpm", "tpm"]) {
    const note = "it stands beside litellm_params, where LiteLLM does not read it: state it in limits.models"
    report.tell(member(deployment.place, name), "unsupported", { note })
  }
}

/** Puts each deployment into its provider. Those that nothing was made of are left out, and reported. */
export const candidatesFrom = (
  deployments: ReadonlyArray<Deployment>,
  context: Context,
  today: string,
): { readonly candidates: ReadonlyArray<Candidate>; readonly providers: ReadonlyArray<ProviderDraft> } => {
  const { report } = context
  const placed = deployments.flatMap((deployment) => {
    const fault = wildcardFault(deployment)
    const account = fault ?? accountOf(deployment, context)
    if (typeof account !== "string") return [{ account, deployment }]
    report.tell(deployment.place, "unsupported", { note: `the deployment was left out: ${account}` })
    return []
  })
  const open = new Set(
    placed.flatMap(({ account, deployment }) => (isWildcard(deployment) ? [idOf(account)] : [])),
  )
  const providers = new Map<string, ProviderDraft>()
  const candidates = placed.map(({ account, deployment }): Candidate => {
    const wildcard = isWildcard(deployment)
    // Beside all that a vendor is known for, what else there is of it is listed apart.
    const isListed =
      !wildcard &&
      open.has(idOf(account)) &&
      (!knownModels(account.target).includes(deployment.model) || saysMore(deployment, today))
    const id = `${idOf(account)}${isListed}`
    const provider = providers.get(id) ?? {
      ...account,
      reportsCost: deployment.vendor.reportsCost === true,
      models: new Map(),
      hasWildcard: wildcard || (!isListed && open.has(idOf(account))),
      wanted: wantedName(account.target, account.url, deployment.prefix),
      name: "",
    }
    providers.set(id, provider)
    const [prefix = "", rest] = deployment.group.split("/", 2)
    if (wildcard && rest === "*" && /^[a-z0-9-]{1,56}$/.test(prefix)) provider.wanted = prefix
    return { deployment, provider }
  })
  const listed = candidates.filter(({ deployment }) => !isWildcard(deployment))
  for (const candidate of listed) {
    applyFacts(candidate, report, today)
    applyLimits(candidate, report)
  }
  for (const candidate of listed) tellLimits(candidate, report)
  const seen = new Map<ProviderDraft, Set<string>>()
  for (const candidate of candidates) {
    const { deployment, provider } = candidate
    const here = seen.get(provider) ?? new Set()
    const id = JSON.stringify([deployment.group, deployment.model])
    if (!isWildcard(deployment)) tellModel(candidate, here.has(id), report)
    seen.set(provider, here.add(id))
    tellDropped(candidate, report)
    tellRest(candidate, report)
  }
  return { candidates, providers: [...providers.values()] }
}

const saysMore = ({ dropped, fields, info, isEmbedding }: Deployment, today: string): boolean =>
  factsOf(fields, isEmbedding, dropped, today).facts.length > 0 || textIn(info("base_model")) !== undefined
