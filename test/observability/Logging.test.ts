import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Console, Effect, Layer, Logger, Redacted } from "effect"
import { TestConsole } from "effect/testing"
import fc from "fast-check"
import { jsonLogger, layerLoggingNoDeps, prettyLogger } from "../../src/observability/Logging.ts"

const lines = (logger: Logger.Logger<unknown, string>, effect: Effect.Effect<void>) => {
  const found: Array<string> = []
  const capture = Logger.map(logger, (line) => {
    found.push(line)
  })
  Effect.runSync(Effect.provide(effect, Logger.layer([capture])))
  return found
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
const breaks = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
const HOSTILE = "a\r\nb\u001b[31m\u0000\u007f\u009b\u2028\u2029\ud800"

describe("json lines", () => {
  it("one entry is one line that parses, whatever text is in it", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "binary" }), fc.constant(HOSTILE)),
        fc.string({ unit: "binary" }),
        (text, key) => {
          const [line, ...more] = lines(
            jsonLogger,
            Effect.logError(text, { [key]: text }, Cause.fail(text)).pipe(
              Effect.annotateLogs({ [key]: text }),
            ),
          )
          assert.strictEqual(more.length, 0)
          assert(line !== undefined)
          assert.notMatch(line, breaks)
          const entry = JSON.parse(line)
          assert.strictEqual(entry.level, "ERROR")
          if (text.isWellFormed()) assert.strictEqual(entry.message[0], text)
        },
      ),
    )
  })

  it("a redacted value stays redacted", () => {
    const secret = Redacted.make("canary")
    const effect = Effect.logInfo("m", secret, { secret }).pipe(Effect.annotateLogs({ secret }))
    for (const logger of [jsonLogger, prettyLogger]) assert.notInclude(lines(logger, effect).join(), "canary")
  })
})

describe("pretty lines", () => {
  it("show time, level, words and fields", () => {
    const [line] = lines(
      prettyLogger,
      Effect.logWarning("slow", { ms: 5 }).pipe(Effect.annotateLogs({ provider: "openai" })),
    )
    assert.match(line ?? "", /^\d\d:\d\d:\d\d\.\d{3} WARN {2}slow \{"ms":5\} provider=openai$/)
  })

  it("foreign text cannot start a line or reach the terminal", () => {
    const [entry] = lines(
      prettyLogger,
      Effect.logInfo(HOSTILE).pipe(Effect.annotateLogs({ [HOSTILE]: HOSTILE })),
    )
    assert.notMatch(entry ?? "", breaks)
    const [failure] = lines(prettyLogger, Effect.logError("x", Cause.fail(HOSTILE)))
    const [head, ...cause] = (failure ?? "").split("\n")
    assert.match(head ?? "", / ERROR x$/)
    assert.isAbove(cause.length, 0)
    for (const line of cause) {
      assert.match(line, /^ {4}/)
      assert.notMatch(line, breaks)
    }
  })
})

const run = (env: Record<string, string>, effect: Effect.Effect<void>) =>
  Effect.gen(function* () {
    yield* Effect.provide(
      effect,
      layerLoggingNoDeps.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))),
    )
    return { out: yield* TestConsole.logLines, err: (yield* TestConsole.errorLines).map(String) }
  })

describe("the logging layer", () => {
  it.effect("writes to stderr only, one JSON line each away from a terminal", () =>
    Effect.gen(function* () {
      const { out, err } = yield* run({ LOG_FORMAT: "json" }, Effect.logInfo("hello"))
      assert.deepStrictEqual(out, [])
      assert.deepStrictEqual(
        err.map((line) => JSON.parse(line).message),
        ["hello"],
      )
    }),
  )

  it.effect("keeps back what is below the level", () =>
    Effect.gen(function* () {
      const both = Effect.andThen(Effect.logInfo("low"), Effect.logWarning("high"))
      const { err } = yield* run({ LOG_LEVEL: "WARN", LOG_FORMAT: "pretty" }, both)
      assert.strictEqual(err.length, 1)
      assert.match(err[0] ?? "", /WARN {2}high$/)
    }),
  )

  it.effect("debug is off until asked for", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* run({ LOG_FORMAT: "json" }, Effect.logDebug("d"))).err, [])
      assert.strictEqual(
        (yield* run({ LOG_FORMAT: "json", LOG_LEVEL: "debug" }, Effect.logDebug("d"))).err.length,
        1,
      )
    }),
  )

  it.effect("stands even when its own settings are wrong, so that their fault can be printed", () =>
    Effect.gen(function* () {
      const { err } = yield* run({ LOG_LEVEL: "loud", LOG_FORMAT: "xml" }, Effect.logInfo("hello"))
      assert.strictEqual(err.length, 1)
      assert.include(err[0], "hello")
    }),
  )

  it.effect("leaves what a command prints alone", () =>
    Effect.map(run({}, Console.log("result")), ({ out }) => assert.deepStrictEqual(out, ["result"])),
  )
})
