import { Console, DateTime, Duration, Effect, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { AdminTokens } from "../auth/AdminTokens.ts"
import { ApiKeys } from "../auth/ApiKeys.ts"
import { Settings } from "../config/Settings.ts"
import { OperatorsUrl } from "../http/OperatorsUrl.ts"

const DEMO_TOKEN_TTL = Duration.hours(24)

/**
 * Greets the person who started the service, once it is up. An embedded database without any key is a first start: it
 * gets a demo key and an admin token, printed this once with a command to paste.
 */
export const welcome = Effect.gen(function* () {
  const { adminPort, dataDir, databaseUrl, docs, gateway } = yield* Settings
  const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
  const operatorsUrl = yield* OperatorsUrl

  yield* Console.log(`LLM Inference Gateway listening on ${url}`)
  const providers = gateway.providers.map(({ name }) => name).join(", ")
  const simulated = gateway.providers.every(({ kind }) => kind === "simulated")
  yield* Console.log(`  database   ${databaseUrl === undefined ? `embedded in ${dataDir}` : "DATABASE_URL"}`)
  yield* Console.log(
    `  providers  ${providers}${simulated ? "  (SIMULATED: set OPENAI_API_KEY or GEMINI_API_KEY for real ones)" : ""}`,
  )
  if (adminPort !== undefined) yield* Console.log(`  operators  ${operatorsUrl}`)
  if (docs) yield* Console.log(`  docs       ${operatorsUrl}/docs`)
  if (databaseUrl !== undefined) return

  const keys = yield* ApiKeys
  const { keys: existing } = yield* keys.list({ limit: 1 })
  if (existing.length > 0) return
  const { secret } = yield* keys.create({ name: "demo" })
  const token = yield* (yield* AdminTokens).issue(DEMO_TOKEN_TTL)
  const until = DateTime.formatIso(DateTime.addDuration(yield* DateTime.now, DEMO_TOKEN_TTL))
  yield* Console.log(`
First start. This is shown once:
  API key      ${Redacted.value(secret)}
  admin token  ${Redacted.value(token)}  (until ${until})

Ask something:
  curl -s ${url}/infer -H 'Content-Type: application/json' -H 'X-API-Key: ${Redacted.value(secret)}' -d '{"prompt":"Say hello","explain":true}'

See what it cost:
  curl -s ${operatorsUrl}/analytics/usage-by-key -H 'Authorization: Bearer ${Redacted.value(token)}'
`)
}).pipe(
  // The service runs without the greeting: a database that is slow right now must not stop it.
  Effect.catchTags({
    ApiKeysUnavailable: () => Effect.logWarning("No demo key was made: the database did not answer"),
    ApiKeysBusy: () => Effect.logWarning("No demo key was made: too many keys are being made"),
  }),
)
