import { showPath } from "../domain/faults.ts"
import { PARAMETER, parameterOf, whyKept } from "../domain/parameters.ts"
import {
  isEmpty,
  isMapping,
  member,
  membersOf,
  numberIn,
  type Place,
  textIn,
  truthIn,
  variableIn,
} from "./document.ts"
import {
  isEmbedding,
  isOfAnotherMode,
  type LitellmVendor,
  litellmVendors,
  unservedVendors,
  vendorByName,
} from "./litellm-vendors.ts"

/** Reads one entry of `model_list`, by itself: which model of which provider it is, or why it is none of ours. */

export interface Deployment {
  readonly place: Place
  /** LiteLLM's `model_name`: deployments with the same one are candidates of one route. */
  readonly group: string
  readonly vendor: LitellmVendor
  /** What stands before the slash in LiteLLM, or is taken to. */
  readonly prefix: string
  /** The model as its provider calls it; `*` for all that it has. */
  readonly model: string
  readonly isEmbedding: boolean
  /** Finds a field of `litellm_params`, or of the credentials that they name. */
  readonly param: (name: string) => Place | undefined
  /** All fields of `litellm_params`, then those of `model_info`. */
  readonly fields: ReadonlyArray<Place>
  readonly info: (name: string) => Place | undefined
  /** Parameters that the gateway is to leave out. */
  readonly dropped: ReadonlyArray<{ readonly place: Place; readonly parameter: string }>
  readonly dropsAny: boolean
  /** Whether the credential that it names is there. */
  readonly hasCredential: boolean
}

/** Why nothing was made of an entry, for each of its fields. */
interface Refused {
  readonly place: Place
  readonly note: string
}

const MODEL_NAME = /^[!-~]{1,200}$/

/** Parts of a Bedrock model that say how LiteLLM asks for it, and where. */
const BEDROCK_WAYS = /^(converse|converse_like|invoke|us-gov-\w+-\d|[a-z]{2}-[a-z]+-\d)\//

const splitModel = (
  stated: string,
  provider: string | undefined,
): { readonly prefix: string | undefined; readonly model: string } => {
  const slash = stated.indexOf("/")
  const first = slash < 0 ? undefined : stated.slice(0, slash)
  if (provider !== undefined) {
    return { prefix: provider, model: first === provider ? stated.slice(slash + 1) : stated }
  }
  if (first !== undefined && (litellmVendors.has(first) || unservedVendors.has(first))) {
    return { prefix: first, model: stated.slice(slash + 1) }
  }
  const guessed = vendorByName(stated)
  return guessed === undefined && first !== undefined
    ? { prefix: first, model: stated.slice(slash + 1) }
    : { prefix: guessed ?? (stated === "*" ? "openai" : undefined), model: stated }
}

const CHAT_MODES: ReadonlySet<string> = new Set(["chat", "responses", "completion"])

/** Says why a model cannot be one of ours; undefined when it can. */
const faultOf = (
  prefix: string | undefined,
  vendor: LitellmVendor | undefined,
  model: string,
  mode: string | undefined,
): string | undefined => {
  const unserved = unservedVendors.get(prefix ?? "")
  if (unserved !== undefined) return `it is ${unserved}`
  if (prefix === undefined || vendor === undefined) {
    return `no provider here stands for LiteLLM's ${prefix === undefined ? "choice of one" : JSON.stringify(prefix.slice(0, 64))}: if the model is behind an OpenAI-compatible endpoint, state that as a provider of kind openai-compatible`
  }
  if (mode !== undefined && mode !== "embedding" && !CHAT_MODES.has(mode)) {
    return "the gateway answers chats and embeddings alone: let clients ask the vendor for anything else"
  }
  if (mode === undefined && isOfAnotherMode(model)) {
    return "the gateway answers chats and embeddings alone, and this is a model for something else"
  }
  if (!MODEL_NAME.test(model)) return "the name of a model has 1 to 200 printable characters and no spaces"
  if ("preset" in vendor.target && vendor.target.preset === "vertex" && !/^(gemini|\*$)/.test(model)) {
    return "Vertex AI is asked for Gemini alone: Claude is at anthropic, azure, bedrock and openrouter"
  }
  if (/^(agent|agentcore|knowledge_base)\//.test(model)) return "agents of a vendor are not models"
  return undefined
}

const droppedBy = (param: (name: string) => Place | undefined): Deployment["dropped"] => {
  const stated = param("additional_drop_params")
  return (stated === undefined ? [] : membersOf(stated)).flatMap((place) => {
    const name = textIn(place) ?? ""
    const parameter = PARAMETER.test(name) && name !== "__proto__" ? parameterOf(name) : undefined
    return parameter === undefined || parameter.value !== undefined || whyKept(parameter) !== undefined
      ? []
      : [{ place, parameter: parameter.path }]
  })
}

/** Reads an entry over the credentials of the configuration, by their names. */
export const readDeployment = (
  place: Place,
  credentials: ReadonlyMap<string, Place>,
): Deployment | Refused => {
  const params = member(place, "litellm_params")
  const infos = member(place, "model_info")
  const group = textIn(member(place, "model_name"))
  const stated = textIn(params && member(params, "model"))
  if (group === undefined)
    return { place, note: "has no model_name that is a text: no client can ask for it" }
  if (params === undefined || !isMapping(params) || stated === undefined) {
    return { place, note: "has no litellm_params.model that is a text: it is no model" }
  }
  if (variableIn(stated) !== undefined) {
    return { place, note: "the name of the model stands in a variable: write it into the file" }
  }
  const credentialName = textIn(member(params, "litellm_credential_name"))
  const credential = credentials.get(credentialName ?? "")
  const param = (name: string) => {
    const own = member(params, name)
    return own !== undefined && !isEmpty(own) ? own : credential && member(credential, name)
  }
  const info = (name: string) => infos && member(infos, name)
  const { prefix, model: split } = splitModel(stated, textIn(param("custom_llm_provider")))
  const model = prefix?.startsWith("bedrock") ? bareBedrock(split) : split
  const vendor = litellmVendors.get(prefix ?? "")
  const mode = textIn(info("mode")) ?? textIn(param("mode"))
  const fault = faultOf(prefix, vendor, model, mode)
  if (fault !== undefined || vendor === undefined || prefix === undefined) {
    return { place, note: `${showPath(place.path)} was left out: ${fault ?? "its provider is unknown"}` }
  }
  return {
    place,
    group,
    vendor,
    prefix,
    model,
    isEmbedding: mode === undefined ? isEmbedding(model) : mode === "embedding",
    param,
    info,
    fields: [...membersOf(params), ...(infos === undefined ? [] : membersOf(infos))],
    dropped: droppedBy(param),
    dropsAny: truthIn(param("drop_params")) === true,
    hasCredential: credential !== undefined,
  }
}

const bareBedrock = (model: string): string => {
  const bare = model.replace(BEDROCK_WAYS, "")
  return bare === model ? model : bareBedrock(bare)
}

/** Returns what a field says as a limit, a whole number from 1 on; undefined for anything else. */
export const limitIn = (place: Place | undefined, maximum: number): number | undefined => {
  const limit = numberIn(place)
  return limit !== undefined && Number.isInteger(limit) && limit >= 1 && limit <= maximum ? limit : undefined
}
