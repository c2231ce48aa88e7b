import { Schema } from "effect"
import { matching, oneOf } from "../domain/rules.ts"
import { ModelConfig, ProviderName } from "./model.ts"

/**
 * What the gateway knows of a vendor that it has no protocol of its own for: one row of `vendors.ts`. What a vendor's answers show
 * by themselves is not here: refused fields are left out after the first refusal, and cached tokens are read from
 * wherever they stand.
 */
const Variable = matching("must be the name of an environment variable", /^[A-Z][A-Z0-9_]{0,127}$/u)
const day = matching("must be a day as YYYY-MM-DD", /^\d{4}-\d{2}-\d{2}$/u)

export const Preset = Schema.Struct({
  name: ProviderName,
  title: Schema.NonEmptyString,
  kind: oneOf("must be openai-compatible or gemini", ["openai-compatible", "gemini"]),
  /** Variable of the key, which turns the vendor on. Absent: a server of one's own, which asks for none. */
  apiKeyEnv: Schema.optionalKey(Variable),
  /** Address of the API; at most one variable in braces, as in `https://bedrock.{AWS_REGION}.amazonaws.com`. */
  baseUrl: matching(
    "must be an address with at most one {VARIABLE}",
    /^(https?:\/\/[^{}]*|\{[A-Z_]+\})[^{}]*(\{[A-Z_]+\}[^{}]*)?$/u,
  ),
  /** Variable of another address. */
  baseUrlEnv: Variable,
  /** Header field of the key. Absent: that of the kind. */
  keyHeader: Schema.optionalKey(Schema.Literal("api-key")),
  /** Path before the name of a Gemini model, where it is another than Google's own. */
  modelPath: Schema.optionalKey(Schema.String),
  /** The vendor refuses `stream_options`, and streams its usage anyway. */
  takesStreamOptions: Schema.optionalKey(Schema.Literal(false)),
  /** The key opens no list of models, so that only a call would try it. */
  listsModels: Schema.optionalKey(Schema.Literal(false)),
  /** What only a good key opens, where the list of models is open to everybody. */
  keyPath: Schema.optionalKey(Schema.String),
  /** Models that are served; none where only the operator knows which there are. */
  models: Schema.Array(Schema.toType(ModelConfig)),
  /** Models that are served only when a file lists them, and are then known. */
  unserved: Schema.Array(Schema.toType(ModelConfig)),
  /** Models of the default `auto` route. */
  auto: Schema.Array(Schema.String),
  /** Name of the vendor in the data set genai-prices. */
  pricesOf: Schema.optionalKey(Schema.String),
  /** Where all this was read, and when. */
  source: matching("must be an https:// address", /^https:\/\/\S+$/u),
  asOf: day,
})
export type Preset = typeof Preset.Type
