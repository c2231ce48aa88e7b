import { Console, DateTime, Effect, Redacted, Schema } from "effect"
import { ApiKeyJson, IssuedKeyJson } from "../api/KeysApi.ts"
import type { ApiKey, IssuedKey } from "../auth/ApiKeys.ts"
import { oneLine } from "../domain/one-line.ts"
import { budgetLine, shortDollars } from "./budget-text.ts"
import { columns } from "./columns.ts"
import { root } from "./root.ts"

const toJson = Schema.encodeSync(Schema.fromJsonString(ApiKeyJson))
const listToJson = Schema.encodeSync(Schema.fromJsonString(Schema.Struct({ data: Schema.Array(ApiKeyJson) })))
const issuedToJson = Schema.encodeSync(Schema.fromJsonString(IssuedKeyJson))

const iso = (instant: DateTime.Utc | null) => (instant === null ? null : DateTime.formatIso(instant))

const stateText = ({ state }: ApiKey): string => state.replace("_", " ")

export const printKey = Effect.fn(function* (key: ApiKey) {
  const { json } = yield* root
  if (json) return yield* Console.log(oneLine(toJson(key)))
  yield* Console.log(
    [
      `id        ${key.id}`,
      `name      ${oneLine(key.name)}`,
      `state     ${stateText(key)}`,
      `rpm       ${key.requestsPerMinute ?? "default"}`,
      `tpm       ${key.tokensPerMinute ?? "no limit"}`,
      `in flight ${key.concurrency ?? "no limit"}`,
      `team      ${key.team ?? "none"}`,
      `tags      ${oneLine(key.tags.join(", ")) || "none"}`,
      `models    ${oneLine(key.models?.join(", ") ?? "all")}`,
      `may issue ${key.mayIssue ? "yes" : "no"}`,
      ...key.budgets.map((budget) => `budget    ${budgetLine(budget)}`),
      `created   ${iso(key.createdAt)}`,
      `expires   ${iso(key.expiresAt) ?? "never"}`,
      ...(key.parentId === null ? [] : [`issued by ${key.parentId}`]),
      ...(key.previousSecretUntil === null ? [] : [`old secret works until ${iso(key.previousSecretUntil)}`]),
    ].join("\n"),
  )
})

/** Prints a key with its secret. */
export const printIssued = Effect.fn(function* (issued: IssuedKey) {
  const { json } = yield* root
  if (json) return yield* Console.log(oneLine(issuedToJson({ ...issued.key, key: issued.secret })))
  yield* printKey(issued.key)
  yield* Console.log(
    `key       ${Redacted.value(issued.secret)}\n\nKeep the key now: it is stored only as a hash and never shown again.`,
  )
})

/** Says what limits a key has of its own. */
const limitsText = ({ requestsPerMinute, tokensPerMinute, concurrency }: ApiKey): string =>
  [
    ...(requestsPerMinute === null ? [] : [`${requestsPerMinute} rpm`]),
    ...(tokensPerMinute === null ? [] : [`${tokensPerMinute} tpm`]),
    ...(concurrency === null ? [] : [`${concurrency} in flight`]),
  ].join(", ")

const budgetsText = ({ budgets }: ApiKey): string =>
  budgets
    .map(
      ({ limitNanoUsd, period, remainingNanoUsd }) =>
        `${shortDollars(remainingNanoUsd)} of ${shortDollars(BigInt(limitNanoUsd))} ${period}`,
    )
    .join(", ")

export const printKeys = Effect.fn(function* (keys: ReadonlyArray<ApiKey>, isNarrowed: boolean) {
  const { json } = yield* root
  if (json) return yield* Console.log(oneLine(listToJson({ data: keys })))
  if (keys.length === 0) {
    if (isNarrowed) return yield* Console.log("No API key is like that.")
    return yield* Console.log("There are no API keys yet. Create one: llm-gateway keys create --name NAME")
  }
  yield* Console.log(
    columns([
      ["id", "state", "created", "name", "team", "limits", "budget left", "tags"],
      ...keys.map((key) => [
        key.id,
        stateText(key),
        DateTime.formatIso(key.createdAt),
        key.name,
        key.team ?? "-",
        limitsText(key) || "-",
        budgetsText(key) || "-",
        key.tags.join(",") || "-",
      ]),
    ]),
  )
})
