import { presetOf } from "../catalog/vendors.ts"
import { showPath } from "../domain/faults.ts"
import { placeAt, placeholderFor, slugOf } from "./address.ts"
import type { Deployment } from "./deployment.ts"
import { isEmpty, type Place, textIn, variableIn } from "./document.ts"
import type { Target } from "./litellm-vendors.ts"
import { usualVariable } from "./provider-draft.ts"
import type { Report } from "./report.ts"
import type { Variables } from "./variables.ts"

/** Where a deployment is asked and with which key: what deployments have in common that are models of one provider. */

export interface Account {
  readonly target: Target
  readonly url: string | undefined
  readonly keyVariable: string | undefined
}

/** What an import knows beside the deployment. */
export interface Context {
  readonly report: Report
  readonly variables: Variables
  /** Which of LiteLLM's variables has the address of a preset; another one cannot be in the same variable of ours. */
  readonly addresses: Map<string, string>
}

interface Located {
  readonly target: Target
  readonly url: string | undefined
}

/** Addresses that have to be said somewhere, and where LiteLLM reads them. */
const READ_BY_LITELLM: Readonly<Record<string, string>> = {
  azure: "AZURE_API_BASE",
  vllm: "HOSTED_VLLM_API_BASE",
}

const AZURE_KEY_VERSION = "Azure's v1 API goes without a version"

/** A preset whose address the environment says, under our name for it; undefined where that is taken. */
const inVariable = (
  target: Target,
  variable: string,
  { addresses, variables }: Context,
): string | undefined => {
  if (!("preset" in target)) return undefined
  const preset = presetOf(target.preset)
  const name = target.preset === "azure" ? "AZURE_OPENAI_ENDPOINT" : preset.baseUrlEnv
  if ((addresses.get(name) ?? variable) !== variable) return undefined
  addresses.set(name, variable)
  const version = /\/v1$/.test(preset.baseUrl) && target.preset !== "azure" ? ", with /v1 at its end" : ""
  variables.need(name, `what ${variable} holds for LiteLLM${version}`)
  return name
}

const locateBedrock = (deployment: Deployment, context: Context): Located => {
  const { report, variables } = context
  const target: Target = { preset: "bedrock" }
  const endpoint = deployment.param("aws_bedrock_runtime_endpoint")
  const region = deployment.param("aws_region_name")
  const stated = textIn(endpoint)
  const placed = stated === undefined ? undefined : placeAt({ compatible: undefined }, "", stated)
  if (placed !== undefined) {
    report.tell(endpoint, "imported", { to: "base_url" })
    report.tell(region, "approximated", { note: "aws_bedrock_runtime_endpoint says where Bedrock is" })
    return { target, url: `${placed.url}/openai/v1` }
  }
  const name = textIn(region)
  if (name !== undefined && /^[a-z]{2}(-[a-z]+)+-\d$/.test(name)) {
    report.tell(region, "imported", { to: "base_url" })
    return { target, url: `https://bedrock-runtime.${name}.amazonaws.com/openai/v1` }
  }
  const variable = name === undefined ? "AWS_REGION_NAME" : (variableIn(name) ?? "AWS_REGION_NAME")
  variables.need(
    "AWS_REGION",
    variable === "AWS_REGION" ? "as LiteLLM reads it" : `what ${variable} holds for LiteLLM`,
  )
  report.tell(region, "approximated", {
    to: "AWS_REGION",
    note: "one region for all such providers: state base_url for others",
  })
  return { target, url: undefined }
}

/** Returns where a deployment is asked, or why it cannot be. */
const locate = (deployment: Deployment, context: Context): Located | string => {
  const { param, prefix, vendor } = deployment
  const { report } = context
  const { target } = vendor
  if ("preset" in target && target.preset === "bedrock") return locateBedrock(deployment, context)
  const base = param("api_base") ?? param("base_url")
  const stated = textIn(base)
  const variable = stated === undefined ? undefined : variableIn(stated)
  if (stated !== undefined && variable === undefined) {
    const placed = placeAt(target, prefix, stated)
    if (placed === undefined)
      return "its address must be an http:// or https:// URL without credentials and query"
    const isSame = placed.url === undefined || stated.replace(/\/+$/, "") === placed.url
    report.tell(base, isSame ? "imported" : "approximated", {
      to: placed.url === undefined ? "the vendor's own address" : "base_url",
      ...(!isSame && {
        note: `as the gateway writes addresses of ${"preset" in placed.target ? placed.target.preset : "this kind"}`,
      }),
    })
    return placed
  }
  if (variable === undefined) {
    if ("compatible" in target) {
      return target.compatible === undefined
        ? "it has no api_base: state where its OpenAI-compatible endpoint is"
        : { target, url: target.compatible }
    }
    const read = "preset" in target ? READ_BY_LITELLM[target.preset] : undefined
    if (read !== undefined) inVariable(target, read, context)
    return { target, url: undefined }
  }
  const ours = inVariable(target, variable, context)
  if (ours !== undefined) {
    report.tell(base, "approximated", { to: ours, note: `set it to what ${variable} holds` })
    return { target, url: undefined }
  }
  const note = `the file has no variables in addresses: write what ${variable} holds in the place of this one`
  report.tell(base, "approximated", { to: `base_url ${placeholderFor(target, variable)}`, note })
  const own: Target = "kind" in target && target.kind === "openai" ? { compatible: undefined } : target
  return { target: own, url: placeholderFor(target, variable) }
}

/** Words that people write where a server wants no key. */
const NO_KEY =
  /^(none|null|empty|no|false|not[-_ ]?needed|no[-_ ]?key|dummy|fake([-_ ]?key)?|anything|xxx+)$/i

const asksForKey = (target: Target): boolean =>
  "kind" in target || ("preset" in target && presetOf(target.preset).apiKeyEnv !== undefined)

const keyOf = (deployment: Deployment, { target, url }: Located, context: Context): string | undefined => {
  const { param, vendor } = deployment
  const { report, variables } = context
  const place = param("api_key")
  const value = place?.value
  if (place === undefined || isEmpty(place) || typeof value === "object" || value === undefined) {
    const name = vendor.keyVariable ?? (asksForKey(target) ? usualVariable(target) : undefined)
    report.tell(place, "unsupported", {
      note: "must be a text: the provider's usual variable is read instead",
    })
    return name === undefined ? undefined : variables.read(name)
  }
  const text = String(value).trim()
  const variable = variableIn(text)
  if (variable !== undefined) {
    const name = variables.read(variable)
    const said = { to: `api_key_env ${name}` }
    if (name === variable) report.tell(place, "imported", said)
    else
      report.tell(place, "approximated", {
        ...said,
        note: "names of variables have capitals, digits and _ alone",
      })
    return name
  }
  if (!asksForKey(target) && NO_KEY.test(text)) {
    report.tell(place, "approximated", {
      note: "this is no key, so that none is sent: api_key_env names one if need be",
    })
    return undefined
  }
  const owner = "kind" in target ? target.kind : "preset" in target ? target.preset : hostOf(url)
  const name = variables.hold(text, slugOf(owner), showPath(place.path))
  report.tell(place, "approximated", {
    to: `api_key_env ${name}`,
    note: `keys do not stand in the file: set ${name} to this one`,
  })
  return name
}

const hostOf = (url: string | undefined): string =>
  url === undefined ? "provider" : new URL(url).hostname.replace(/^(api|www)\./, "")

const tellVersion = (deployment: Deployment, target: Target, report: Report): void => {
  const version: Place | undefined = deployment.param("api_version")
  const note =
    "preset" in target && target.preset === "azure"
      ? AZURE_KEY_VERSION
      : "no version is sent to this provider"
  report.tell(version, "approximated", { note })
}

/** Returns the account of a deployment, or why it has none. */
export const accountOf = (deployment: Deployment, context: Context): Account | string => {
  const located = locate(deployment, context)
  if (typeof located === "string") return located
  tellVersion(deployment, located.target, context.report)
  return { ...located, keyVariable: keyOf(deployment, located, context) }
}
