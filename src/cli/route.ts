import { Config, Console, Effect, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { CommandFailed } from "./CommandFailed.ts"
import { root } from "./root.ts"

const Candidate = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  predicted_ms: Schema.Finite,
  predicted_cost_usd: Schema.NullOr(Schema.Finite),
  tier: Schema.String,
  score: Schema.Finite,
  calibration: Schema.optionalKey(Schema.Struct({ bias: Schema.Finite, p90_error: Schema.Finite })),
})
const Answer = Schema.Struct({
  decision: Schema.Struct({
    route: Schema.String,
    via: Schema.optionalKey(Schema.Array(Schema.String)),
    strategy: Schema.String,
    chosen_by: Schema.String,
    estimated_input_tokens: Schema.Finite,
    candidates: Schema.Array(Candidate),
    excluded: Schema.Array(
      Schema.Struct({ provider: Schema.String, model: Schema.String, reason: Schema.String }),
    ),
  }),
})
const decodeAnswer = Schema.decodeUnknownEffect(Schema.fromJsonString(Answer))
const decodeProblem = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ detail: Schema.String })),
)

const unusable = (url: string) => () =>
  new CommandFailed({ message: `${url} did not answer like a gateway.` })

/** Asks the running gateway, because only it knows how fast its providers are. No provider is called. */
export const explain = Command.make(
  "explain",
  {
    url: Flag.String("url").pipe(
      Flag.withDescription("The running gateway"),
      Flag.withDefault("http://127.0.0.1:8000"),
    ),
    key: Flag.Redacted("key").pipe(
      Flag.withDescription("An API key; LLM_GATEWAY_KEY when absent"),
      Flag.withFallbackConfig(Config.Redacted("LLM_GATEWAY_KEY")),
    ),
    model: Flag.String("model").pipe(Flag.withDescription("Model or route"), Flag.withDefault("auto")),
    prompt: Flag.String("prompt").pipe(
      Flag.withDescription("The prompt to plan for"),
      Flag.withDefault("Hello"),
    ),
    maxTokens: Flag.Int("max-tokens").pipe(Flag.withDescription("Most tokens of output"), Flag.optional),
  },
  Effect.fn(function* ({ url, key, model, prompt, maxTokens }) {
    const { json } = yield* root
    const response = yield* HttpClientRequest.post(`${url}/infer`).pipe(
      HttpClientRequest.setHeader("x-api-key", Redacted.value(key)),
      HttpClientRequest.bodyJsonUnsafe({
        model,
        prompt,
        dry_run: true,
        ...Option.match(maxTokens, { onNone: () => ({}), onSome: (max_tokens) => ({ max_tokens }) }),
      }),
      HttpClient.execute,
      Effect.timeout("10 seconds"),
      Effect.mapError(
        () => new CommandFailed({ message: `No gateway answers at ${url}. Start one: npm start` }),
      ),
    )
    const text = yield* Effect.mapError(response.text, unusable(url))
    if (response.status !== 200) {
      const problem = decodeProblem(text)
      return yield* new CommandFailed({
        message: Option.isSome(problem) ? problem.value.detail : unusable(url)().message,
      })
    }
    const { decision } = yield* Effect.mapError(decodeAnswer(text), unusable(url))
    if (json) return yield* Console.log(text)
    yield* Console.log(
      `route ${decision.route}, strategy ${decision.strategy}, about ${decision.estimated_input_tokens} input tokens, chosen by ${decision.chosen_by}`,
    )
    for (const condition of decision.via ?? []) yield* Console.log(`  via  ${condition}`)
    for (const candidate of decision.candidates) {
      const dollars =
        candidate.predicted_cost_usd === null
          ? "unknown price"
          : `$${candidate.predicted_cost_usd.toFixed(6)}`
      const { calibration } = candidate
      const calibrated =
        calibration === undefined
          ? ""
          : `  lately ${calibration.bias.toFixed(2)} times as long, nine in ten within ${Math.round(calibration.p90_error * 100)} %`
      yield* Console.log(
        `  ${candidate.score.toFixed(3).padStart(8)}  ${candidate.provider}/${candidate.model}  ${candidate.predicted_ms} ms  ${dollars}  ${candidate.tier}${calibrated}`,
      )
    }
    for (const { provider, model, reason } of decision.excluded) {
      yield* Console.log(`  excluded  ${provider}/${model}  ${reason}`)
    }
  }, Effect.provide(FetchHttpClient.layer)),
).pipe(Command.withDescription("Show whom a request would be sent to and why; calls no provider"))
