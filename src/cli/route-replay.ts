import { Clock, ConfigProvider, Console, Duration, Effect, FileSystem, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { SqlClient } from "effect/sql"
import { Settings } from "../config/Settings.ts"
import { hasSchema } from "../database/migrations.ts"
import { oneLine } from "../domain/one-line.ts"
import { replay as tryPolicy } from "../replay/replay.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { parseDuration } from "./duration.ts"
import { instantFlag, parseInstant } from "./instant.ts"
import { makeProgress } from "./progress.ts"
import { root } from "./root.ts"
import { plot } from "./route-replay/plot.ts"
import { ofConfig, otherWeights } from "./route-replay/policy.ts"
import { asJson, asText } from "./route-replay/report.ts"

const fail = (message: string) => Effect.fail(new CommandFailed({ message: oneLine(message) }))

/** A flag that takes an instant, or how long ago it was. */
const sinceFlag = Flag.String("since").pipe(
  Flag.filterMap(
    (text) =>
      Option.orElse(
        Option.map(parseDuration(text), (ago) => ({ agoMs: Duration.toMillis(ago) })),
        () => Option.map(parseInstant(text), (atMs) => ({ atMs })),
      ),
    (text) => `Expected 12h, 7d, 2026-11-23 or an instant such as 2026-11-23T08:00:00Z, got ${text}`,
  ),
)

const parseWeights = (text: string) => {
  const [, latency, cost] = /^(\d(?:\.\d{1,6})?)\/(\d(?:\.\d{1,6})?)$/.exec(text) ?? []
  const weights = { latency: Number(latency), cost: Number(cost) }
  return Math.abs(weights.latency + weights.cost - 1) <= 1e-6 ? Option.some(weights) : Option.none()
}

const weightsFlag = Flag.String("weights").pipe(
  Flag.filterMap(parseWeights, (text) => `Expected latency/cost that sum to 1, such as 0.4/0.6, got ${text}`),
)

/** Reads the configuration that another file would make in this environment. */
const readConfig = (file: string) =>
  Effect.gen(function* () {
    const current = yield* ConfigProvider.ConfigProvider
    const { gateway } = yield* Settings.pipe(
      Effect.provide(Settings.layer, { local: true }),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.orElse(ConfigProvider.fromUnknown({ GATEWAY_CONFIG: file }), current),
      ),
    )
    return gateway
  })

export const replay = Command.make(
  "replay",
  {
    since: sinceFlag.pipe(Flag.withDescription("Requests that started then or later: 7d, or an instant")),
    until: instantFlag("until").pipe(
      Flag.withDescription("Requests that started before; now when absent"),
      Flag.optional,
    ),
    route: Flag.String("route").pipe(
      Flag.withDescription("One route, as decisions name it; all when absent"),
      Flag.optional,
    ),
    weights: weightsFlag.pipe(
      Flag.withDescription("Weights of latency and cost to try, such as 0.4/0.6"),
      Flag.optional,
    ),
    config: Flag.String("config").pipe(
      Flag.withDescription(
        "A YAML file to try: its routes, weights and prices; what GATEWAY_CONFIG says when both are absent",
      ),
      Flag.optional,
    ),
    svg: Flag.String("svg").pipe(
      Flag.withDescription("A file to draw cost against p95 latency into"),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ since, ...flags }) {
    const { json } = yield* root
    const nowMs = yield* Clock.currentTimeMillis
    const toMs = Option.getOrElse(flags.until, () => nowMs)
    const fromMs = "atMs" in since ? since.atMs : nowMs - since.agoMs
    if (fromMs >= nowMs) return yield* fail("--since is in the future: nothing was logged then.")
    if (fromMs >= toMs) return yield* fail("--since must be before --until.")
    const { gateway } = yield* Settings
    const sql = yield* SqlClient.SqlClient
    if (!(yield* hasSchema)) {
      return yield* fail("The database schema is not up to date. Run: llm-gateway migrate")
    }
    const weights = Option.getOrUndefined(flags.weights)
    const file = Option.getOrUndefined(flags.config)
    const config = file === undefined ? gateway : yield* readConfig(file)
    const tried =
      weights !== undefined && file === undefined ? otherWeights(weights) : ofConfig(config, gateway, weights)
    const route = Option.getOrUndefined(flags.route)
    const progress = yield* makeProgress
    const result = yield* tryPolicy(sql, {
      ...tried,
      span: { fromMs, toMs },
      route,
      onPage: (done, total) => progress(done, total, "requests"),
    })
    const done = { fromMs, toMs, route, tried: nameOf(file, weights), result }
    if (Option.isSome(flags.svg) && result.estimate !== undefined) {
      const fs = yield* FileSystem.FileSystem
      const path = flags.svg.value
      yield* Effect.catch(fs.writeFileString(path, plot(result.estimate, done)), () =>
        fail(`--svg cannot be written: ${path}`),
      )
    }
    yield* Console.log(json ? asJson(done) : asText(done))
  }),
).pipe(
  Command.withDescription(
    "Decide logged requests anew, by other weights or another configuration, and estimate what cost, latency and " +
      "availability would have been. Requests that go where they went count with their own outcomes. Others count with the " +
      "outcomes of requests that exploration sent there, each for as many as its chance makes it stand for (at most 200), and " +
      "with predictions corrected by how far they were off (doubly robust); the report says how much rests on what. Intervals " +
      "hold 95 % of 400 estimates from as many stretches of the log drawn with replacement (block bootstrap, fixed seed). " +
      "Candidates of which the log knows nothing are named and left out. Changes nothing; runs beside gateways",
  ),
  Command.withShortDescription("Estimate what other weights or another configuration would have come to"),
  Command.withExamples([
    {
      command: "llm-gateway route replay --since 7d --route auto --weights 0.4/0.6 --svg replay.svg",
      description: "A week of route auto, with more weight on cost",
    },
    {
      command: "llm-gateway route replay --since 2026-11-01 --until 2026-12-01 --config new.yaml --json",
      description: "November under another file, for a script",
    },
  ]),
)

const nameOf = (
  file: string | undefined,
  weights: { readonly latency: number; readonly cost: number } | undefined,
): string =>
  [
    ...(file !== undefined || weights === undefined ? [file ?? "the configuration as it is now"] : []),
    ...(weights === undefined ? [] : [`weights ${weights.latency} of latency, ${weights.cost} of cost`]),
  ].join(", ")
