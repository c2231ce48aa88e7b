import { Console, DateTime, Duration, Effect, Option, Redacted, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ApiKeyJson, IssuedKeyJson, KeyModels, KeyName, RequestsPerMinute } from "../api/KeysApi.ts"
import {
  type ApiKey,
  type ApiKeyNotFound,
  type ApiKeyRevoked,
  ApiKeys,
  type ApiKeysBusy,
  type ApiKeysUnavailable,
  type IssuedKey,
} from "../auth/ApiKeys.ts"
import { unknownName } from "../config/allow-list.ts"
import { Settings } from "../config/Settings.ts"
import { oneLine } from "../domain/one-line.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { durationFlag } from "./duration.ts"
import { root } from "./root.ts"

const explainErrors = <A, R>(
  command: Effect.Effect<
    A,
    ApiKeyNotFound | ApiKeyRevoked | ApiKeysBusy | ApiKeysUnavailable | CommandFailed,
    R
  >,
) =>
  Effect.mapError(command, (error) => {
    switch (error._tag) {
      case "CommandFailed":
        return error
      case "ApiKeyNotFound":
        return new CommandFailed({ message: `There is no API key with the id ${error.id}.` })
      case "ApiKeyRevoked":
        return new CommandFailed({
          message: `The API key ${error.id} is revoked for good. Create a new one.`,
        })
      case "ApiKeysBusy":
        return new CommandFailed({ message: "Too many secrets are being hashed. Try again." })
      case "ApiKeysUnavailable":
        return new CommandFailed({ message: "The database did not answer. Check DATABASE_URL or DATA_DIR." })
    }
  })

const toJson = Schema.encodeSync(Schema.fromJsonString(ApiKeyJson))
const listToJson = Schema.encodeSync(Schema.fromJsonString(Schema.Struct({ data: Schema.Array(ApiKeyJson) })))
const issuedToJson = Schema.encodeSync(Schema.fromJsonString(IssuedKeyJson))

const iso = (instant: DateTime.Utc | null) => (instant === null ? null : DateTime.formatIso(instant))

const state = (key: ApiKey, now: DateTime.Utc): string => {
  if (key.revokedAt !== null) return "revoked"
  if (key.expiresAt !== null && DateTime.isLessThanOrEqualTo(key.expiresAt, now)) return "expired"
  return "active"
}

const printKey = Effect.fn(function* (key: ApiKey) {
  const { json } = yield* root
  if (json) return yield* Console.log(oneLine(toJson(key)))
  const now = yield* DateTime.now
  yield* Console.log(
    [
      `id        ${key.id}`,
      `name      ${oneLine(key.name)}`,
      `state     ${state(key, now)}`,
      `rpm       ${key.requestsPerMinute ?? "default"}`,
      `models    ${oneLine(key.models?.join(", ") ?? "all")}`,
      `created   ${iso(key.createdAt)}`,
      `expires   ${iso(key.expiresAt) ?? "never"}`,
      ...(key.previousSecretUntil === null ? [] : [`old secret works until ${iso(key.previousSecretUntil)}`]),
    ].join("\n"),
  )
})

const printIssued = Effect.fn(function* (issued: IssuedKey) {
  const { json } = yield* root
  if (json) return yield* Console.log(oneLine(issuedToJson({ ...issued.key, key: issued.secret })))
  yield* printKey(issued.key)
  yield* Console.log(
    `key       ${Redacted.value(issued.secret)}\n\nKeep the key now: it is stored only as a hash and never shown again.`,
  )
})

const id = Argument.String("id").pipe(Argument.withDescription("The 12 characters after gwk_"))

const create = Command.make(
  "create",
  {
    name: Flag.String("name").pipe(
      Flag.withDescription("Who or what uses the key"),
      Flag.withSchema(KeyName),
    ),
    rpm: Flag.Int("rpm").pipe(
      Flag.withDescription("Requests per minute; the gateway's default when absent"),
      Flag.withSchema(RequestsPerMinute),
      Flag.optional,
    ),
    models: Flag.String("models").pipe(
      Flag.withDescription(
        "Comma-separated route names, provider/model, provider/* or model names; all when absent",
      ),
      Flag.map((list) => list.split(",").map((name) => name.trim())),
      Flag.withSchema(KeyModels),
      Flag.optional,
    ),
    expires: durationFlag("expires").pipe(
      Flag.withDescription("Lifetime, such as 12h or 30d; never expires when absent"),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ name, rpm, models, expires }) {
    const keys = yield* ApiKeys
    const { gateway } = yield* Settings
    const listed = Option.getOrElse(models, () => [])
    const unknown = unknownName(gateway, listed)
    if (unknown !== undefined) {
      return yield* new CommandFailed({
        message: `--models ${oneLine(listed[unknown.index] ?? "")}: ${unknown.text}`,
      })
    }
    const now = yield* DateTime.now
    const issued = yield* keys.create({
      name,
      ...Option.match(rpm, { onNone: () => ({}), onSome: (requestsPerMinute) => ({ requestsPerMinute }) }),
      ...Option.match(models, { onNone: () => ({}), onSome: (models) => ({ models }) }),
      ...Option.match(expires, {
        onNone: () => ({}),
        onSome: (lifetime) => ({ expiresAt: DateTime.addDuration(now, lifetime) }),
      }),
    })
    yield* printIssued(issued)
  }, explainErrors),
).pipe(Command.withDescription("Create an API key and print it once"))

const list = Command.make(
  "list",
  {},
  Effect.fn(function* () {
    const { json } = yield* root
    const keys = yield* ApiKeys
    const now = yield* DateTime.now
    const all: Array<ApiKey> = []
    let cursor: string | null = null
    do {
      const page: { readonly keys: ReadonlyArray<ApiKey>; readonly nextCursor: string | null } =
        yield* keys.list({ limit: 500, ...(cursor === null ? {} : { cursor }) })
      all.push(...page.keys)
      cursor = page.nextCursor
    } while (cursor !== null)
    if (json) return yield* Console.log(oneLine(listToJson({ data: all })))
    if (all.length === 0) {
      return yield* Console.log("There are no API keys yet. Create one: llm-gateway keys create --name NAME")
    }
    for (const key of all) {
      yield* Console.log(
        `${key.id}  ${state(key, now).padEnd(7)}  ${DateTime.formatIso(key.createdAt)}  ${oneLine(key.name)}`,
      )
    }
  }, explainErrors),
).pipe(Command.withDescription("List API keys, newest first"))

const show = Command.make(
  "show",
  { id },
  Effect.fn(function* ({ id }) {
    yield* printKey(yield* (yield* ApiKeys).show(id))
  }, explainErrors),
).pipe(Command.withDescription("Show one API key"))

const rotate = Command.make(
  "rotate",
  {
    id,
    grace: durationFlag("grace").pipe(
      Flag.withDescription(
        "How long the old secret keeps working, such as 24h; it stops at once when absent",
      ),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ id, grace }) {
    const graceMs = Duration.toMillis(Option.getOrElse(grace, () => Duration.zero))
    yield* printIssued(yield* (yield* ApiKeys).rotate(id, { graceMs }))
  }, explainErrors),
).pipe(Command.withDescription("Give an API key a new secret under the same id"))

const revoke = Command.make(
  "revoke",
  { id },
  Effect.fn(function* ({ id }) {
    yield* printKey(yield* (yield* ApiKeys).revoke(id))
  }, explainErrors),
).pipe(Command.withDescription("Revoke an API key for good; every replica refuses it within a second"))

export const keys = Command.make("keys").pipe(
  Command.withDescription("Create, inspect, rotate and revoke API keys"),
  Command.withSubcommands([create, list, show, rotate, revoke]),
)
