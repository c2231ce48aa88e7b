import { Console, Duration, Effect, Option, Redacted, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { ProviderReset } from "../api/ProvidersApi.ts"
import { CurrentActor } from "../audit/Actor.ts"
import { AdminTokens } from "../auth/AdminTokens.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { check } from "./providers-check.ts"
import { list } from "./providers-list.ts"
import { root } from "./root.ts"

const decodeReset = Schema.decodeUnknownEffect(Schema.fromJsonString(ProviderReset))
const decodeProblem = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ detail: Schema.String })),
)

/** Longer than the one request that it is for. */
const TOKEN_TTL = Duration.minutes(1)

/** Asks the running gateway, which alone knows how its providers are, with a token issued here for this one request. */
const reset = Command.make(
  "reset",
  {
    name: Argument.String("name").pipe(Argument.withDescription("Name of the provider")),
    url: Flag.String("url").pipe(
      Flag.withDescription("The running gateway; with several replicas, each in turn"),
      Flag.withDefault("http://127.0.0.1:8000"),
    ),
  },
  Effect.fn(function* ({ name, url }) {
    const { json } = yield* root
    const { name: operator } = yield* CurrentActor
    const tokens = yield* AdminTokens
    const token = Redacted.value(yield* tokens.issue(TOKEN_TTL, { name: operator, role: "admin" }))
    const unusable = () => new CommandFailed({ message: `${url} did not answer like a gateway.` })
    const response = yield* HttpClientRequest.post(
      `${url}/admin/providers/${encodeURIComponent(name)}/reset`,
    ).pipe(
      HttpClientRequest.bearerToken(token),
      HttpClient.execute,
      Effect.timeout("10 seconds"),
      Effect.mapError(
        () => new CommandFailed({ message: `No gateway answers at ${url}. Start one: npm start` }),
      ),
    )
    const text = yield* Effect.mapError(response.text, unusable)
    if (response.status !== 200) {
      const problem = decodeProblem(text)
      return yield* Option.match(problem, {
        onNone: unusable,
        onSome: ({ detail }) => new CommandFailed({ message: detail }),
      })
    }
    const { models, provider } = yield* Effect.mapError(decodeReset(text), unusable)
    yield* Console.log(json ? text : `${provider} starts anew: ${models.join(", ")}`)
  }, Effect.provide(FetchHttpClient.layer)),
).pipe(Command.withDescription("Forget a provider's circuits, cooldowns and statistics in a running gateway"))

export const providers = Command.make("providers").pipe(
  Command.withDescription("Providers as routing sees them"),
  Command.withSubcommands([list, check, reset]),
)
