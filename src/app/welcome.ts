import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Console, Context, Data, DateTime, Duration, Effect, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { AdminTokens } from "../auth/AdminTokens.ts"
import { ApiKeys } from "../auth/ApiKeys.ts"
import { Settings } from "../config/Settings.ts"
import { OperatorsUrl } from "../http/OperatorsUrl.ts"

const DEMO_TOKEN_TTL = Duration.hours(24)

/** In `DATA_DIR`, for its owner alone. */
const FIRST_START_FILE = "first-start.txt"

/** Whether a person reads what the process prints. What is not a terminal is a log, which others read and keep. */
export const OnTerminal = Context.Reference<boolean>("gateway/app/OnTerminal", {
  defaultValue: () => process.stdout.isTTY === true,
})

class FirstStartUnwritten extends Data.TaggedError("FirstStartUnwritten")<{ readonly file: string }> {}

/**
 * Greets the person who started the service, once it is up. An embedded database without any key is a first start: it
 * gets a demo key and an admin token, with commands to paste. A terminal shows them, this once; elsewhere they are in a
 * file.
 */
export const welcome = Effect.gen(function* () {
  const { adminPort, dataDir, databaseUrl, docs, gateway, ui } = yield* Settings
  const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
  const operatorsUrl = yield* OperatorsUrl

  yield* Console.log(`LLM Inference Gateway listening on ${url}`)
  const providers = gateway.providers.map(({ name }) => name).join(", ")
  const simulated = gateway.providers.every(({ kind }) => kind === "simulated")
  yield* Console.log(`  database   ${databaseUrl === undefined ? `embedded in ${dataDir}` : "DATABASE_URL"}`)
  yield* Console.log(
    `  providers  ${providers}${simulated ? "  (SIMULATED: set OPENAI_API_KEY, GEMINI_API_KEY or ANTHROPIC_API_KEY for real ones)" : ""}`,
  )
  for (const [name, { hasKey, why }] of gateway.off) {
    // Who set a key expects the vendor to be there.
    if (hasKey) yield* Console.log(`  off        ${name}: ${why}`)
  }
  if (adminPort !== undefined) yield* Console.log(`  operators  ${operatorsUrl}`)
  if (docs) yield* Console.log(`  docs       ${operatorsUrl}/docs`)
  if (ui) yield* Console.log(`  page       ${operatorsUrl}/ui`)
  if (databaseUrl !== undefined) return

  const keys = yield* ApiKeys
  const { keys: existing } = yield* keys.list({ limit: 1 })
  if (existing.length > 0) return
  const { secret } = yield* keys.create({ name: "demo" })
  const token = yield* (yield* AdminTokens).issue(DEMO_TOKEN_TTL, { name: "first start", role: "admin" })
  const until = DateTime.formatIso(DateTime.addDuration(yield* DateTime.now, DEMO_TOKEN_TTL))
  const credentials = `  API key      ${Redacted.value(secret)}
  admin token  ${Redacted.value(token)}  (until ${until})

Ask something:
  curl -s ${url}/infer -H 'Content-Type: application/json' -H 'X-API-Key: ${Redacted.value(secret)}' -d '{"prompt":"Say hello","explain":true}'

See what it cost:
  curl -s ${operatorsUrl}/analytics/usage-by-key -H 'Authorization: Bearer ${Redacted.value(token)}'
${
  ui
    ? `
Look at it:
  ${operatorsUrl}/ui#token=${Redacted.value(token)}
`
    : ""
}`
  if (yield* OnTerminal) {
    yield* Console.log(`\nFirst start. This is shown once:\n${credentials}`)
    return
  }
  const file = join(dataDir, FIRST_START_FILE)
  yield* writeForOwner(file, `First start. Delete this file when you have its credentials.\n${credentials}`)
  yield* Console.log(
    `\nFirst start. The API key and the admin token are in ${file}, which only its owner may read.`,
  )
}).pipe(
  // The service runs without the greeting: a database that is slow right now must not stop it.
  Effect.catchTags({
    TeamNotFound: Effect.die,
    ApiKeysUnavailable: () => Effect.logWarning("No demo key was made: the database did not answer"),
    ApiKeysBusy: () => Effect.logWarning("No demo key was made: too many keys are being made"),
    FirstStartUnwritten: ({ file }) =>
      Effect.logWarning("The demo key is lost: its file could not be written").pipe(
        Effect.annotateLogs({ file }),
      ),
  }),
)

/** A file that was there keeps its mode when it is written again, so it goes first. */
const writeForOwner = (file: string, text: string) =>
  Effect.tryPromise({
    try: async () => {
      await rm(file, { force: true })
      await writeFile(file, text, { flag: "wx", mode: 0o600 })
    },
    catch: () => new FirstStartUnwritten({ file }),
  })
