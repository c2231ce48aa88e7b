import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { AdminTokens } from "../../src/auth/AdminTokens.ts"
import { Settings } from "../../src/config/Settings.ts"

const secret = "a secret of the test that has at least 32 bytes"
const Tokens = AdminTokens.layer.pipe(
  Layer.provide(Settings.layerTest({ adminJwtSecret: Redacted.make(secret) })),
)

const START_SECONDS = 1_800_000_000
const claims = {
  iss: "llm-gateway",
  aud: "llm-gateway-admin",
  sub: "admin",
  iat: START_SECONDS,
  exp: START_SECONDS + 60,
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** Signs by hand: the library under test would refuse to write most of these. */
const sign = (payload: unknown, header: object = { alg: "HS256" }, key = secret, hash = "sha256") => {
  const text = `${base64url(header)}.${base64url(payload)}`
  return `${text}.${createHmac(hash, key).update(text).digest("base64url")}`
}

const { exp: _exp, ...withoutExp } = claims
const { iat: _iat, ...withoutIat } = claims
const DAY = 86_400

const refused: Record<string, string> = {
  "an empty string": "",
  noise: "a.b.c",
  "alg none": `${base64url({ alg: "none" })}.${base64url(claims)}.`,
  "alg none, signed": sign(claims, { alg: "none" }),
  "another secret": sign(claims, { alg: "HS256" }, `${secret}.`),
  "HS512 by the right secret": sign(claims, { alg: "HS512" }, secret, "sha512"),
  "HS384 by the right secret": sign(claims, { alg: "HS384" }, secret, "sha384"),
  "another audience": sign({ ...claims, aud: "llm-gateway" }),
  "another issuer": sign({ ...claims, iss: "someone" }),
  "another subject": sign({ ...claims, sub: "user" }),
  "no subject": sign({ ...claims, sub: undefined }),
  "no exp": sign(withoutExp),
  "no iat": sign(withoutIat),
  "exp as a string": sign({ ...claims, exp: String(claims.exp) }),
  "expired a second ago": sign({ ...claims, iat: START_SECONDS - 60, exp: START_SECONDS - 1 }),
  "expires this very second": sign({ ...claims, iat: START_SECONDS - 60, exp: START_SECONDS }),
  "not yet valid": sign({ ...claims, nbf: START_SECONDS + 1 }),
  "issued in the future": sign({ ...claims, iat: START_SECONDS + 31, exp: START_SECONDS + 60 }),
  "lives longer than the maximum": sign({ ...claims, exp: START_SECONDS + 30 * DAY + 1 }),
  "an unknown critical header": sign(claims, { alg: "HS256", crit: ["x"], x: 1 }),
  "a known critical header": sign(claims, { alg: "HS256", crit: ["b64"], b64: true }),
  "an unknown role": sign({ ...claims, role: "owner" }),
  "a role that is no text": sign({ ...claims, role: ["admin"] }),
  "no role, said so": sign({ ...claims, role: null }),
  "a name that is no text": sign({ ...claims, name: 7 }),
  "an empty name": sign({ ...claims, name: "" }),
  "a name of more than one line": sign({ ...claims, name: "a\nb" }),
  "a name that is too long": sign({ ...claims, name: "x".repeat(129) }),
  "a valid token in 5 kB of claims": sign({ ...claims, padding: "x".repeat(5_000) }),
}

const accepted: Record<string, string> = {
  "the plain token": sign(claims),
  "key-naming headers, ignored": sign(claims, {
    alg: "HS256",
    kid: "../../dev/null",
    jku: "http://127.0.0.1:9/keys",
    x5u: "http://127.0.0.1:9/keys",
    jwk: { kty: "oct", k: "AAAA" },
  }),
  "a clock 30 s ahead": sign({ ...claims, iat: START_SECONDS + 30, exp: START_SECONDS + 60 }),
  "the longest life": sign({ ...claims, exp: START_SECONDS + 30 * DAY }),
}

const verify = (token: string) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(START_SECONDS * 1000)
    return yield* Effect.exit((yield* AdminTokens).verify(token))
  }).pipe(Effect.provide(Tokens))

describe("admin tokens", () => {
  for (const [name, token] of Object.entries(refused)) {
    it.effect(`refuses ${name}`, () =>
      Effect.map(verify(token), (exit) => assert.isTrue(Exit.isFailure(exit))),
    )
  }

  for (const [name, token] of Object.entries(accepted)) {
    it.effect(`accepts ${name}`, () =>
      Effect.map(verify(token), (exit) => assert.isTrue(Exit.isSuccess(exit))),
    )
  }

  it.effect("says whose it is; one of the version before, without a role, is an admin's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* verify(sign(claims)),
        Exit.succeed({ name: "admin", role: "admin", until: claims.exp }),
      )
      const viewer = { name: "grafana", role: "viewer" } as const
      assert.deepStrictEqual(
        yield* verify(sign({ ...claims, ...viewer })),
        Exit.succeed({ ...viewer, until: claims.exp }),
      )
      yield* TestClock.setTime(START_SECONDS * 1000)
      const tokens = yield* AdminTokens
      const issued = yield* tokens.issue(Duration.minutes(1), viewer)
      assert.deepStrictEqual(yield* tokens.verify(Redacted.value(issued)), {
        ...viewer,
        until: START_SECONDS + 60,
      })
    }).pipe(Effect.provide(Tokens)),
  )

  it.effect("an issued token works until its ttl ends, to the second", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_SECONDS * 1000)
      const tokens = yield* AdminTokens
      const token = Redacted.value(yield* tokens.issue(Duration.minutes(1)))
      yield* TestClock.adjust("59 seconds")
      yield* tokens.verify(token)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(tokens.verify(token)))._tag, "SignedClaimsInvalid")
    }).pipe(Effect.provide(Tokens)),
  )

  it.effect("a ttl over the maximum is cut to it, so that the token is usable", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_SECONDS * 1000)
      const tokens = yield* AdminTokens
      const token = Redacted.value(yield* tokens.issue(Duration.days(365)))
      yield* tokens.verify(token)
      yield* TestClock.adjust("30 days")
      yield* Effect.flip(tokens.verify(token))
    }).pipe(Effect.provide(Tokens)),
  )

  it.effect("a token that shares its start with a verified one is verified on its own", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_SECONDS * 1000)
      const tokens = yield* AdminTokens
      const good = sign(claims)
      const forged = sign({ ...claims, exp: START_SECONDS + 7_200 }, { alg: "HS256" }, "another secret")
      assert.strictEqual(good.slice(0, 20), forged.slice(0, 20))
      yield* tokens.verify(good)
      yield* Effect.flip(tokens.verify(forged))
      // One changed bit of the signature, everything else equal.
      yield* Effect.flip(tokens.verify(good.slice(0, -2) + (good.at(-2) === "A" ? "B" : "A") + good.at(-1)))
    }).pipe(Effect.provide(Tokens)),
  )
})
