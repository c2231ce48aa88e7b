import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AdminAuth } from "./AdminAuth.ts"
import { InstantText } from "./instant-text.ts"
import { problem } from "./Problem.ts"
import { SchemaErrors } from "./RequestChecks.ts"

/** What a reset forgot, as the admin route and the command line's `--json` print it. */
export const ProviderReset = Schema.Struct({
  provider: Schema.String,
  models: Schema.Array(Schema.String).annotate({ description: "Models of the provider" }),
}).annotate({ identifier: "ProviderReset" })

const Price = Schema.Struct({
  input_usd_per_1m: Schema.Finite,
  cached_input_usd_per_1m: Schema.Finite,
  output_usd_per_1m: Schema.Finite,
  price_version: Schema.String,
  source: Schema.String.annotate({ description: "Where it was read" }),
  as_of: Schema.String.annotate({ description: "The day on which it was read" }),
  valid_from: Schema.NullOr(Schema.String).annotate({ description: "The first day on which it holds" }),
}).annotate({
  identifier: "ModelPrice",
  description: "What holds now; `llm-gateway prices show` has all of it",
})

const RefusedParameter = Schema.Struct({
  parameter: Schema.String,
  dialect: Schema.Literals(["chat", "messages", "responses"]).annotate({
    description: "What the clients speak whom it concerns",
  }),
  since: InstantText,
  until: InstantText.annotate({ description: "When it is forgotten, unless it is refused again" }),
}).annotate({ identifier: "RefusedParameter" })

const ModelHealth = Schema.Struct({
  state: Schema.Literals(["healthy", "probation", "degraded", "tripped"]).annotate({
    description:
      "tripped: asked when nobody else is left; degraded: after those that are well; probation: may be asked, and is not known to be well again",
  }),
  until: Schema.NullOr(InstantText).annotate({ description: "When it is asked again, where that is known" }),
  why: Schema.NullOr(Schema.String).annotate({
    description:
      "The kind of failure, or limit_used_up, silent (calls hang), calls_in_flight (as many as it is good for)",
  }),
}).annotate({ identifier: "ModelHealth" })

const ProviderKey = Schema.Struct({
  name: Schema.String.annotate({ description: "As it is configured; never the key itself" }),
  weight: Schema.Finite,
  state: Schema.Literals(["healthy", "resting"]).annotate({
    description:
      "resting: the model is asked with the others, and with it when all rest and its rest is over first",
  }),
  until: Schema.NullOr(InstantText).annotate({ description: "When it is asked again" }),
  why: Schema.NullOr(Schema.String).annotate({
    description: "The kind of failure, or limit_used_up",
  }),
}).annotate({ identifier: "ProviderKey" })

const Outlook = Schema.Struct({
  availability: Schema.Finite.annotate({
    description: "Share of calls that are expected to be answered, 0 to 1",
  }),
  input_tokens: Schema.Int.annotate({ description: "Of the typical request that the predictions are of" }),
  predicted_ms: Schema.Int.annotate({ description: "Until its whole answer" }),
  predicted_first_token_ms: Schema.NullOr(Schema.Int).annotate({
    description: "Until the first token, if it is streamed; null for embeddings",
  }),
  answers: Schema.Int.annotate({
    description: "Answers that the predictions are made from; 0: they are a guess",
  }),
  in_flight: Schema.Int.annotate({ description: "Calls under way" }),
  in_flight_limit: Schema.NullOr(Schema.Int).annotate({
    description: "Calls above which others are preferred; null: none is known",
  }),
}).annotate({ identifier: "ModelOutlook" })

const RecentFailure = Schema.Struct({
  request_id: Schema.String,
  kind: Schema.String,
  status: Schema.NullOr(Schema.Int).annotate({
    description: "Of the provider's answer; null: there was none",
  }),
  at: InstantText,
}).annotate({ identifier: "RecentFailure" })

/** A model of a provider as routing knows it. */
const RoutedModel = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  simulated: Schema.Boolean,
  kind: Schema.Literals(["chat", "embedding"]),
  context_window: Schema.NullOr(Schema.Int),
  max_output_tokens: Schema.NullOr(Schema.Int),
  price: Schema.NullOr(Price),
  inputs: Schema.NullOr(Schema.Array(Schema.String)).annotate({
    description: "What it reads, of text, image, audio, video and file; null where nobody says",
  }),
  unsupported: Schema.Array(Schema.String).annotate({
    description: "Parameters that it is stated to refuse, under chat's names",
  }),
  health: ModelHealth.annotate({ description: "What keeps traffic away from it" }),
  keys: Schema.NullOr(Schema.Array(ProviderKey)).annotate({
    description: "How each of the provider's several keys is for the model; null where it has one or none",
  }),
  outlook: Outlook.annotate({ description: "What routing expects of it now" }),
  failures: Schema.Array(RecentFailure).annotate({
    description:
      "The latest attempts that failed by its own or its account's fault, the newest first: five at most",
  }),
  refused: Schema.Array(RefusedParameter).annotate({
    description: "Parameters that it refused, for as long as that is remembered",
  }),
}).annotate({ identifier: "RoutedModel" })

const ProviderOff = Schema.Struct({ provider: Schema.String, why: Schema.String }).annotate({
  identifier: "ProviderOff",
})

export const RoutedModels = Schema.Struct({
  data: Schema.Array(RoutedModel),
  off: Schema.Array(ProviderOff).annotate({
    description: "Known providers that nobody is asked of, and why",
  }),
}).annotate({
  identifier: "RoutedModels",
})

export class ProvidersApi extends HttpApiGroup.make("providers")
  .add(
    HttpApiEndpoint.post("reset", "/admin/providers/:name/reset", {
      params: { name: Schema.String.annotate({ description: "Name of the provider" }) },
      success: ProviderReset,
      error: [problem(404), problem(500), problem(503)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Forget a provider's trouble",
        description:
          "Ends circuits and cooldowns of all its models and keys, in the replica that answers and all of its workers, and forgets how fast and how available they were.",
      }),
    ),
  )
  .add(
    HttpApiEndpoint.get("models", "/admin/models", {
      success: RoutedModels,
      error: [problem(500), problem(503)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List the models that may be asked",
        description:
          "Every model of every provider that is on: its limits, its price, what it is stated to take, and how it does as the replica that answers sees it: health, predictions, its latest failures, and what it refused.",
      }),
    ),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({ title: "Providers", description: "Authenticated by an admin token" }),
  ) {}
