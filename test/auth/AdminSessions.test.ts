import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { AdminSessions, hasCsrfToken } from "../../src/auth/AdminSessions.ts"
import { AdminTokens } from "../../src/auth/AdminTokens.ts"
import { Settings } from "../../src/config/Settings.ts"

const services = (overrides: { readonly ui?: boolean; readonly secret?: string } = {}) =>
  Layer.merge(AdminTokens.layer, AdminSessions.layer).pipe(
    Layer.provide(
      Settings.layerTest({
        ui: overrides.ui ?? true,
        adminJwtSecret: Redacted.make(overrides.secret ?? "a secret of the test that has at least 32 bytes"),
      }),
    ),
  )

const START_MS = 1_800_000_000_000
const Ada = { name: "Ada", role: "viewer" } as const

/** Signs in by a token that lives so long. */
const signIn = Effect.fnUntraced(function* (ttl: Duration.Duration) {
  yield* TestClock.setTime(START_MS)
  const tokens = yield* AdminTokens
  const token = Redacted.value(yield* tokens.issue(ttl, Ada))
  const { cookie, session } = yield* (yield* AdminSessions).begin(yield* tokens.verify(token))
  return { token, cookie, session }
})

describe("a session", () => {
  it.effect("is of who signed in, for an hour, and of a token no longer than that", () =>
    Effect.gen(function* () {
      const { cookie, session } = yield* signIn(Duration.days(1))
      const sessions = yield* AdminSessions
      assert.deepStrictEqual(yield* sessions.verify(cookie), session)
      assert.deepStrictEqual(session.operator, Ada)
      yield* TestClock.adjust("3599 seconds")
      yield* sessions.verify(cookie)
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(sessions.verify(cookie))

      const short = yield* signIn(Duration.minutes(5))
      yield* TestClock.adjust("299 seconds")
      yield* sessions.verify(short.cookie)
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(sessions.verify(short.cookie))
    }).pipe(Effect.provide(services())),
  )

  it.effect("lasts longer when it is renewed, and never beyond the token", () =>
    Effect.gen(function* () {
      const { session } = yield* signIn(Duration.minutes(90))
      const sessions = yield* AdminSessions
      yield* TestClock.adjust("50 minutes")
      const { cookie } = yield* sessions.begin({ ...session.operator, until: session.renewableUntil })
      yield* TestClock.adjust("39 minutes")
      yield* sessions.verify(cookie)
      yield* TestClock.adjust("1 minute")
      yield* Effect.flip(sessions.verify(cookie))
    }).pipe(Effect.provide(services())),
  )

  it.effect("that is begun as its token ends is over with it", () =>
    Effect.gen(function* () {
      const { session } = yield* signIn(Duration.minutes(5))
      const sessions = yield* AdminSessions
      yield* TestClock.adjust("5 minutes")
      const { cookie } = yield* sessions.begin({ ...session.operator, until: session.renewableUntil })
      yield* Effect.flip(sessions.verify(cookie))
    }).pipe(Effect.provide(services())),
  )

  it.effect("is no admin token, nor is a token a session", () =>
    Effect.gen(function* () {
      const { cookie, token } = yield* signIn(Duration.hours(1))
      yield* Effect.flip((yield* AdminTokens).verify(cookie))
      yield* Effect.flip((yield* AdminSessions).verify(token))
    }).pipe(Effect.provide(services())),
  )

  it.effect("has a CSRF token of its own", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* signIn(Duration.hours(1)), yield* signIn(Duration.hours(1))]
      assert.isTrue(hasCsrfToken(one.session, one.session.csrfToken))
      for (const wrong of [other.session.csrfToken, "", undefined, `${one.session.csrfToken}x`, "é"]) {
        assert.isFalse(hasCsrfToken(one.session, wrong))
      }
    }).pipe(Effect.provide(services())),
  )

  it.effect("is nobody's where the page is off, or after the secret was changed", () =>
    Effect.gen(function* () {
      const { cookie } = yield* Effect.provide(signIn(Duration.hours(1)), services())
      const verify = Effect.flatMap(AdminSessions, (sessions) => sessions.verify(cookie))
      yield* Effect.provide(verify, services())
      yield* Effect.flip(Effect.provide(verify, services({ ui: false })))
      yield* Effect.flip(
        Effect.provide(verify, services({ secret: "another secret that has at least 32 bytes" })),
      )
    }),
  )
})
