import type { Redacted } from "effect"
import type { Preset } from "../catalog/preset.ts"
import { presets } from "../catalog/vendors.ts"
import { matching } from "../domain/rules.ts"
import { BaseUrl } from "./base-url.ts"
import { text } from "./setting.ts"

/**
 * What the environment has to say of the vendors of `catalog/vendors.ts`: whether they are on, and where. Variables are read by
 * the names that stand there, and by no others.
 */

/** Environment variable name -> what it holds. Unset ones are absent. */
export interface PresetEnvironment {
  readonly apiKeys: ReadonlyMap<string, Redacted.Redacted>
  /** Addresses of presets, and what addresses are made of. */
  readonly variables: ReadonlyMap<string, string>
}

const label = matching("must be the name of a region, such as us-east-1", /^[a-z0-9-]{1,63}$/u)

/** The variable within an address; undefined for most. */
const placeholderOf = ({ baseUrl }: Preset): string | undefined => /\{([A-Z_]+)\}/.exec(baseUrl)?.[1]

/** The settings that presets have besides their keys. */
export const presetSettings = presets.flatMap((preset) => {
  const name = placeholderOf(preset)
  // An address that begins with the variable has its host in there, another a part of its host.
  const rule = preset.baseUrl.startsWith("{") ? BaseUrl : label
  return [
    text(preset.baseUrlEnv, BaseUrl, undefined),
    ...(name === undefined || name === preset.baseUrlEnv ? [] : [text(name, rule, undefined)]),
  ]
})

/** Returns where a vendor is; undefined when the environment lacks a part of it. */
export const addressOf = (preset: Preset, { variables }: PresetEnvironment): string | undefined => {
  const own = variables.get(preset.baseUrlEnv)
  const name = placeholderOf(preset)
  if (own !== undefined || name === undefined) return own ?? preset.baseUrl
  const part = variables.get(name)
  return part === undefined ? undefined : preset.baseUrl.replace(`{${name}}`, part)
}

/** Says which variables would tell where a vendor is. */
export const addressVariables = (preset: Preset): string =>
  [...new Set([placeholderOf(preset) ?? preset.baseUrlEnv, preset.baseUrlEnv])].join(" or ")

/** Says why the environment alone does not turn a vendor on; undefined when it does. */
export const whyOff = (preset: Preset, environment: PresetEnvironment): string | undefined => {
  const { apiKeyEnv, models, name } = preset
  if (apiKeyEnv !== undefined && !environment.apiKeys.has(apiKeyEnv)) return `${apiKeyEnv} is not set`
  if (models.length === 0) {
    return `its models are yours: list them under preset: ${name} in the file that GATEWAY_CONFIG names`
  }
  return addressOf(preset, environment) === undefined ? `${addressVariables(preset)} is not set` : undefined
}
