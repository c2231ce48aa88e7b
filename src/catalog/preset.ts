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

const page = matching("must be an https:// address", /^https:\/\/\S+$/u)

const endpoint = {
  /** From the address, as a link would say it: `messages` or `../anthropic/v1/messages`. */
  path: matching("must be a relative path", /^(\.\.\/)*[\w-]+(\/[\w-]+)*$/u),
  /** Header field of the key. Absent: that of the row. */
  keyHeader: Schema.optionalKey(Schema.Literal("x-api-key")),
  /** What the names of the models have that it serves. Absent: it serves all. */
  models: Schema.optionalKey(Schema.NonEmptyString),
  /** Nothing else serves those: chats are put into its words. */
  alone: Schema.optionalKey(Schema.Literal(true)),
  /** Beginnings of the types of tools that it takes besides the client's own functions. Absent: all of the dialect's. */
  tools: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
  /** Fields that it refuses, and that an answer can do without. */
  without: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
  /** Whose reasoning comes encrypted in Responses. Absent: that of the models of OpenAI's that are known by name. */
  encrypts: Schema.optionalKey(Schema.Literals(["all", "OpenAI's"])),
}

/** Where a vendor speaks a dialect beside its main one, and what of it. */
export type Endpoint = Schema.Struct<typeof endpoint>["Type"]

const StatedEndpoint = Schema.Struct({
  ...endpoint,
  /** Where it was read. */
  source: page,
})

/** Where an answer of chat completions has its reasoning: in a field of the message, or in parts of the type `thinking`. */
const ReasoningName = Schema.Literals(["reasoning_content", "reasoning", "reasoning_details", "thinking"])
export type ReasoningName = typeof ReasoningName.Type

/** What a vendor takes of earlier answers, its own and others', in a chat that goes on. */
const PastTurns = Schema.Struct({
  /** Where it takes their reasoning: under the first name, what others have under another. None where it takes none. */
  reasoning: Schema.Array(ReasoningName),
  /** All that it takes beside role, content, calls and reasoning: it refuses other fields. Absent: it ignores them. */
  only: Schema.optionalKey(Schema.Array(Schema.Literals(["function_call", "name", "prefix"]))),
  /** Where it was read. */
  source: page,
})
export type PastTurns = typeof PastTurns.Type

/** The dialects that a vendor may speak beside its main one. */
export interface Endpoints {
  readonly messages?: Endpoint
  readonly responses?: Endpoint
}

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
  /** What it speaks besides, natively. */
  dialects: Schema.optionalKey(
    Schema.Struct({
      messages: Schema.optionalKey(StatedEndpoint),
      responses: Schema.optionalKey(StatedEndpoint),
    }),
  ),
  /** Header field of the key. Absent: that of the kind. */
  keyHeader: Schema.optionalKey(Schema.Literal("api-key")),
  /** Path before the name of a Gemini model, where it is another than Google's own. */
  modelPath: Schema.optionalKey(Schema.String),
  /** Absent: nobody says what it takes of earlier answers, which go out as they come. */
  turns: Schema.optionalKey(PastTurns),
  /** The vendor refuses `stream_options`, and streams its usage anyway. */
  takesStreamOptions: Schema.optionalKey(Schema.Literal(false)),
  /** The key opens no list of models, so that only a call would try it. */
  listsModels: Schema.optionalKey(Schema.Literal(false)),
  /** What only a good key opens, where the list of models is open to everybody. */
  keyPath: Schema.optionalKey(Schema.String),
  /** It says what its answers cost, and is believed; see `Reported`. Absent: it does not, and a model's price holds. */
  reportsCost: Schema.optionalKey(Schema.Literals(["any", "above 0"])),
  /** Models that are served; none where only the operator knows which there are. */
  models: Schema.Array(Schema.toType(ModelConfig)),
  /** Models that are served only when a file lists them, and are then known. */
  unserved: Schema.Array(Schema.toType(ModelConfig)),
  /** Models of the default `auto` route. */
  auto: Schema.Array(Schema.String),
  /** Name of the vendor in the data set genai-prices. */
  pricesOf: Schema.optionalKey(Schema.String),
  /** Where all this was read, and when. */
  source: page,
  asOf: day,
})
export type Preset = typeof Preset.Type
