import { Redacted, Result } from "effect"
import { presets } from "../catalog/vendors.ts"
import type { GatewayConfig } from "../config/GatewayConfig.ts"
import { parseGatewayFile } from "../config/GatewayFile.ts"
import { mergeGatewayConfig } from "../config/merge-gateway-config.ts"
import { showPath } from "../domain/faults.ts"
import type { Context } from "./account.ts"
import { allRoutes } from "./all-routes.ts"
import { type Candidate, candidatesFrom } from "./candidates.ts"
import { type Deployment, readDeployment } from "./deployment.ts"
import { isEmpty, isMapping, member, membersOf, type Place, readYaml, textIn } from "./document.ts"
import { nameProviders, type ProviderDraft, statedLimits, statedProvider } from "./provider-draft.ts"
import { type Entry, makeReport, type Report } from "./report.ts"
import { groupsOf, type Served } from "./routes.ts"
import { settingsFrom } from "./settings.ts"
import { tellKnown } from "./told-settings.ts"
import { makeVariables, type Variable } from "./variables.ts"
import { type YamlMapping, yamlText } from "./yaml-text.ts"

/** Makes the gateway's file of LiteLLM's configuration, and says of every field of it what became of it. */

export interface Imported {
  /** The file that `GATEWAY_CONFIG` is to name. */
  readonly yaml: string
  readonly entries: ReadonlyArray<Entry>
  /** What has to be set for it. */
  readonly variables: ReadonlyArray<Variable>
  /** What has to be run for it, once. */
  readonly commands: ReadonlyArray<string>
  /** What the gateway understands by the file, with keys that are none. */
  readonly gateway: GatewayConfig
  /** What clients ask for now, by LiteLLM's names. */
  readonly names: ReadonlyMap<string, string>
}

const SECTIONS = [
  "model_list",
  "litellm_settings",
  "router_settings",
  "general_settings",
  "environment_variables",
  "credential_list",
  "guardrails",
  "mcp_servers",
] as const

/** Returns what is wrong with the shape of a document; undefined when it is LiteLLM's. */
const shapeFault = (root: Place): string | undefined => {
  if (!isMapping(root)) return "must be a mapping: LiteLLM's configuration has model_list in it"
  if (!SECTIONS.some((name) => member(root, name) !== undefined)) {
    return `must have one of ${SECTIONS.join(", ")}: is it LiteLLM's configuration?`
  }
  for (const name of ["litellm_settings", "router_settings", "general_settings"]) {
    const section = member(root, name)
    if (section !== undefined && !isEmpty(section) && !isMapping(section)) return `${name} must be a mapping`
  }
  for (const name of ["model_list", "credential_list"]) {
    const list = member(root, name)
    if (list === undefined || isEmpty(list)) continue
    if (!Array.isArray(list.value)) return `${name} must be a list`
    const odd = membersOf(list).find((each) => !isMapping(each))
    if (odd !== undefined) return `${showPath(odd.path)} must be a mapping`
  }
  return undefined
}

const entriesOf = (root: Place, name: string): ReadonlyArray<Place> => {
  const list = member(root, name)
  return list === undefined ? [] : membersOf(list)
}

/** Credentials by name, of which models may take their keys and addresses. */
const credentialsIn = (root: Place): ReadonlyMap<string, Place> =>
  new Map(
    entriesOf(root, "credential_list").flatMap((entry) => {
      const name = textIn(member(entry, "credential_name"))
      const values = member(entry, "credential_values")
      return name === undefined || values === undefined ? [] : [[name, values] as const]
    }),
  )

const readModels = (root: Place, report: Report): ReadonlyArray<Deployment> => {
  const credentials = credentialsIn(root)
  return entriesOf(root, "model_list").flatMap((place) => {
    const read = readDeployment(place, credentials)
    if (!("note" in read)) return [read]
    report.tell(read.place, "unsupported", { note: read.note })
    return []
  })
}

const tellWildcards = (candidates: ReadonlyArray<Candidate>, report: Report): void => {
  for (const { deployment, provider } of candidates) {
    if (!deployment.model.includes("*")) continue
    const note =
      "of the models that the gateway knows of this vendor, as provider/model or by the bare name: list others under models"
    const to = () => `provider ${provider.name}, all models`
    report.tell(member(deployment.place, "model_name"), "approximated", { to, note })
    report.tell(deployment.param("model"), "approximated", { to, note })
  }
}

const tellCredentials = (root: Place, candidates: ReadonlyArray<Candidate>, report: Report): void => {
  const used = new Set(
    candidates.map(({ deployment }) => textIn(deployment.param("litellm_credential_name"))),
  )
  for (const entry of entriesOf(root, "credential_list")) {
    const isUsed = used.has(textIn(member(entry, "credential_name")))
    const note = isUsed
      ? "no provider here knows it: its key and its address are what was taken of the credential"
      : "no model takes it: set api_key_env and base_url of a provider"
    if (isUsed) {
      report.tell(member(entry, "credential_name"), "imported", {
        note: "each provider names its own variable",
      })
    }
    report.tell(entry, "unsupported", { note })
  }
}

/** Reads a file as a gateway would, with placeholders for what its environment says. */
const check = (
  yaml: string,
  variables: ReadonlyArray<Variable>,
): Result.Result<GatewayConfig, ReadonlyArray<string>> => {
  const placeholder = "https://placeholder.invalid"
  const addresses = new Map(presets.map(({ baseUrlEnv }) => [baseUrlEnv, placeholder]))
  return parseGatewayFile(yaml).pipe(
    Result.flatMap((file) =>
      mergeGatewayConfig(file, {
        apiKeys: new Map(variables.map(({ name }) => [name, Redacted.make("placeholder")])),
        baseUrls: { openai: placeholder, gemini: placeholder, anthropic: placeholder },
        variables: addresses,
      }),
    ),
  )
}

const header = (variables: ReadonlyArray<Variable>): string =>
  [
    "# Made from LiteLLM's configuration by llm-gateway import litellm. docs/configuration.md says what each field means.",
    ...(variables.length === 0
      ? []
      : [
          "# Set in the environment or in .env:",
          ...variables.map(({ name, note }) => `#   ${name}: ${note}`),
        ]),
    "",
    "",
  ].join("\n")

const MAX_ATTEMPTS = 20
const USUAL_ATTEMPTS = 4

/** Returns how many attempts a request may have: LiteLLM's retries, and room for each candidate once. */
const attemptsFor = (retries: number | undefined, routes: YamlMapping): number | undefined => {
  const longest = Math.max(
    1,
    ...Object.values(routes).map((route) =>
      typeof route === "object" && "candidates" in route && Array.isArray(route.candidates)
        ? route.candidates.length
        : 1,
    ),
  )
  const needed = Math.min(MAX_ATTEMPTS, Math.max((retries ?? 0) + 1, longest))
  return retries === undefined && needed <= USUAL_ATTEMPTS ? undefined : needed
}

const unlessEmpty = (mapping: YamlMapping): YamlMapping | undefined =>
  Object.values(mapping).some((value) => value !== undefined) ? mapping : undefined

const servedBy = (gateway: GatewayConfig): ReadonlyMap<string, Served> =>
  new Map(
    gateway.providers.flatMap(({ models, name }) =>
      models.map(
        (model) =>
          [`${name}/${model.name}`, { kind: model.kind, contextWindow: model.contextWindow }] as const,
      ),
    ),
  )

const faulty = (faults: ReadonlyArray<string>): string =>
  `became a file that the gateway does not take, which should not be: ${faults[0] ?? "no fault"}`

/** Imports a document on a day (`YYYY-MM-DD`), from which its prices are. Every fault goes after the name of the file. */
export const importLitellm = (text: string, today: string): Result.Result<Imported, string> => {
  const read = readYaml(text)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  const root = read.success
  const fault = shapeFault(root)
  if (fault !== undefined) return Result.fail(fault)
  const report = makeReport(root)
  const variables = makeVariables(root)
  const context: Context = { report, variables, addresses: new Map() }
  const { candidates, providers } = candidatesFrom(readModels(root, report), context, today)
  nameProviders(providers)
  tellWildcards(candidates, report)
  const settings = settingsFrom(root, report)
  const stated = { providers: listOf(providers) }
  const first = check(yamlText(stated), variables.list())
  if (Result.isFailure(first)) return Result.fail(faulty(first.failure))
  const served = servedBy(first.success)
  const { names, routes } = allRoutes(root, groupsOf(candidates, served), {
    report,
    served,
    routingStrategy: settings.routingStrategy,
    dropsParameters: settings.dropsParameters,
  })
  tellCredentials(root, candidates, report)
  tellKnown(root, report)
  const document: YamlMapping = {
    ...stated,
    routes: unlessEmpty(routes),
    timeouts: unlessEmpty(settings.timeouts),
    limits: unlessEmpty({
      max_attempts: attemptsFor(settings.retries, routes),
      max_in_flight: settings.maxInFlight,
      models: unlessEmpty(statedLimits(providers)),
    }),
  }
  const yaml = header(variables.list()) + yamlText(document)
  return check(yaml, variables.list()).pipe(
    Result.mapError(faulty),
    Result.map((gateway) => ({
      yaml,
      entries: report.entries(),
      variables: variables.list(),
      commands: settings.commands,
      gateway,
      names,
    })),
  )
}

const listOf = (providers: ReadonlyArray<ProviderDraft>): ReadonlyArray<YamlMapping> | undefined =>
  providers.length === 0 ? undefined : providers.map(statedProvider)
