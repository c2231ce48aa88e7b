import { Config, Console, Duration, Effect, Fiber, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { Pool } from "undici"
import { monotonicMs } from "../platform/monotonic.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { durationFlag } from "./duration.ts"
import { makeQuestioner, type Question } from "./load-test/ask.ts"
import { makeMeasurements } from "./load-test/measurements.ts"
import type { Outcome } from "./load-test/Outcome.ts"
import { openLoop } from "./load-test/open-loop.ts"
import { asJson, asText, broken } from "./load-test/report.ts"
import { showProgress } from "./load-test/show-progress.ts"
import { root } from "./root.ts"

const PATH = "v1/chat/completions"
/** An answer costs no more than it must where the models are real. */
const MAX_TOKENS = 16

const urlFlag = Flag.String("url").pipe(
  Flag.filterMap(
    (text) => {
      const url = URL.canParse(text) ? new URL(text) : undefined
      return url !== undefined && /^https?:$/.test(url.protocol) ? Option.some(url) : Option.none()
    },
    (text) => `Expected an address such as http://127.0.0.1:8000, got ${text}`,
  ),
  Flag.withDescription("Address of the gateway, with or without the /v1 of an OpenAI client's base URL"),
)

/** Returns the path of chat completions under a base URL. */
const pathUnder = (url: URL): string => `${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}/${PATH}`

/** Returns why a test would be in vain, as the first answer tells it; undefined where it is worth going on. */
const refusal = ({ status, failure }: Outcome, url: URL): string | undefined => {
  if (status === null) return `${url.origin} cannot be asked: ${failure}.`
  if (status === 401) return "The gateway refused the key (401). Is it one of this gateway, and not revoked?"
  if (status === 403) return "The key may not use this model (403)."
  if (status === 404) return `${url.origin}${pathUnder(url)} or the model does not exist (404).`
  if (status === 400 || status === 422) return `The gateway takes no such request (${status}). Check --model.`
  return undefined
}

export const loadTest = Command.make(
  "load-test",
  {
    url: urlFlag,
    key: Flag.Redacted("key").pipe(
      Flag.withDescription("API key; LLM_GATEWAY_KEY when absent, which no list of processes shows"),
      Flag.withFallbackConfig(Config.Redacted("LLM_GATEWAY_KEY")),
    ),
    rate: Flag.Finite("rate").pipe(
      Flag.withDescription("Requests a second, at even distances"),
      Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0.01, maximum: 100_000 }))),
    ),
    duration: durationFlag("duration").pipe(Flag.withDescription("How long requests are sent, such as 60s")),
    stream: Flag.Boolean("stream").pipe(
      Flag.withDescription("Ask for streams, and measure the first token too"),
      Flag.withDefault(false),
    ),
    model: Flag.String("model").pipe(Flag.withDescription("Model or route"), Flag.withDefault("auto")),
    maxP99: Flag.Finite("max-p99").pipe(
      Flag.withDescription("Exit code 1 when 1 % of the good answers took longer, in milliseconds"),
      Flag.optional,
    ),
    maxErrorRate: Flag.Finite("max-error-rate").pipe(
      Flag.withDescription("Exit code 1 when a larger share of the requests failed, 0 to 1"),
      Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
      Flag.optional,
    ),
    connections: Flag.Int("connections").pipe(
      Flag.withDescription("Most connections; a request that finds none free waits, and its time counts"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))),
      Flag.withDefault(1_000),
    ),
    timeout: durationFlag("timeout").pipe(
      Flag.withDescription("An answer that takes longer has failed"),
      Flag.withDefault(Duration.seconds(60)),
    ),
  },
  Effect.fn(function* ({ url, key, rate, duration, stream, model, connections, timeout, ...limits }) {
    const { json } = yield* root
    const question: Question = {
      path: pathUnder(url),
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${Redacted.value(key)}`,
      },
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: "Say hello." }],
        max_tokens: MAX_TOKENS,
        stream,
      }),
      stream,
    }
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new Pool(url.origin, { connections, headersTimeout: 0, bodyTimeout: 0 })),
      (each) => Effect.promise(() => each.destroy()),
    )
    const send = makeQuestioner(pool, question, Duration.toMillis(timeout))

    const refused = refusal(yield* send, url)
    if (refused !== undefined) return yield* new CommandFailed({ message: refused })

    const measurements = makeMeasurements()
    const snapshot = Effect.map(monotonicMs, measurements.snapshot)
    const report = Effect.gen(function* () {
      const measured = yield* snapshot
      const faults = broken(measured, {
        maxP99: Option.getOrUndefined(limits.maxP99),
        maxErrorRate: Option.getOrUndefined(limits.maxErrorRate),
      })
      yield* Console.log(json ? asJson(measured, faults) : asText(measured))
      return faults
    })
    const progress = yield* Effect.forkScoped(showProgress(measurements, Duration.toSeconds(duration)))
    yield* openLoop({ rate, durationMs: Duration.toMillis(duration), send, measurements }).pipe(
      Effect.onExit(() => Fiber.interrupt(progress)),
      Effect.onInterrupt(() => report),
    )
    const faults = yield* report
    if (faults.length > 0) return yield* new CommandFailed({ message: faults.join("\n") })
  }, Effect.scoped),
).pipe(
  Command.withDescription(
    "Send chat completions at a constant rate and measure how long they take, from when each was due: a service that " +
      "stands still does not slow the test down. These are real requests, of 16 tokens at most, and cost what those " +
      "cost; one more comes first, to see that it works. Latency is that of good answers; a timer has steps of a " +
      "millisecond. Ctrl-C ends it with what was measured so far",
  ),
  Command.withShortDescription("Measure a gateway under a constant rate of requests"),
  Command.withExamples([
    {
      command: "llm-gateway load-test --url http://127.0.0.1:8000 --key gwk_… --rate 50 --duration 60s",
      description: "A minute of 50 requests a second",
    },
    {
      command:
        "LLM_GATEWAY_KEY=gwk_… llm-gateway load-test --url http://127.0.0.1:8000 --rate 5 --duration 30s --stream " +
        "--max-p99 2000 --max-error-rate 0.01 --json",
      description: "Streams, for a script that wants to know whether they are fast enough",
    },
  ]),
)
