import { Effect, Result } from "effect"
import type { ChatTask } from "../../../src/domain/Task.ts"
import { readJson } from "../../../src/http/body.ts"
import { decodeMessages, writerOf } from "../../../src/http/messages-routes.ts"
import { decodeChat } from "../../../src/http/openai-routes.ts"
import { decodeResponses } from "../../../src/http/responses-routes.ts"
import { isObject, type JsonObject, parseJson } from "../../../src/platform/json.ts"
import type { UpstreamRequest } from "../../../src/providers/http/transport.ts"
import { type End, type endsOf, providerOf } from "./ends.ts"
import { gained, placesOf } from "./leaves.ts"

/** One field, in the least request that has it. */
export interface Probe {
  /** Fields of the request, over those that every request of the dialect has. */
  readonly asks: JsonObject
  /** The same without it; nothing when absent. */
  readonly without?: JsonObject
  /** Header fields that belong to it. */
  readonly headers?: Readonly<Record<string, string>>
  /** Why nothing is lost where nothing of it is sent; by the name of the end or of its model, or for all. */
  readonly same?: string | Readonly<Record<string, string>>
  /** Why it is refused or left out. */
  readonly why?: string
}

export type ClientDialect = keyof typeof endsOf

const least: Readonly<Record<ClientDialect, JsonObject>> = {
  chat: { model: "m", messages: [{ role: "user", content: "Hi" }] },
  messages: { model: "m", max_tokens: 5000, messages: [{ role: "user", content: "Hi" }] },
  responses: { model: "m", input: [{ role: "user", content: "Hi" }] },
}

const noFields = () => ({})
const decoders = {
  chat: decodeChat,
  messages: decodeMessages(writerOf(noFields), noFields),
  responses: decodeResponses,
}

/** Texts in probes that begin so have to arrive, wherever it is; so have pictures and documents. */
const MARK = /^"?(zq-|iVBORw|JVBERi)/

/** What became of a field at one end. */
export type Fate =
  | { readonly _tag: "Carried" }
  | { readonly _tag: "Translated"; readonly to: ReadonlyArray<string> }
  | { readonly _tag: "Refused"; readonly param: string; readonly byModel: boolean }
  /** The rest of it may be somewhere. */
  | { readonly _tag: "Dropped"; readonly names: ReadonlyArray<string>; readonly to: ReadonlyArray<string> }
  | { readonly _tag: "Same"; readonly reason: string }
  /** With what of it. */
  | { readonly _tag: "Lost"; readonly what: string }

type Sent =
  | { readonly body: JsonObject; readonly dropped: ReadonlyArray<string> }
  | { readonly param: string; readonly reason: string }

/** Reads a client's request as the gateway does. */
const decode = (
  dialect: ClientDialect,
  fields: JsonObject,
  headers: Readonly<Record<string, string>> = {},
) => {
  const bytes = Buffer.from(JSON.stringify({ ...least[dialect], ...fields }))
  return Result.flatMap(readJson(bytes), (body) => decoders[dialect](body, (name) => headers[name]))
}

const send = (dialect: ClientDialect, fields: JsonObject, end: End, headers?: Probe["headers"]): Sent => {
  const call = decode(dialect, fields, headers)
  if (Result.isFailure(call)) return { param: call.failure.param ?? "", reason: call.failure.detail }
  const task = call.success.task as ChatTask
  let request: UpstreamRequest | undefined
  const provider = providerOf(end, (asked) => {
    request = asked
    return {
      status: 400,
      headers: {
        contentType: "application/json",
        contentEncoding: undefined,
        retryAfter: undefined,
        retryAfterMs: undefined,
        resets: undefined,
      },
      body: Buffer.from("{}"),
    }
  })
  const prepared = provider.prepare(task, end.model)
  if (Result.isFailure(prepared)) return prepared.failure
  const { complete, dropped, stream } = prepared.success
  const failure = Effect.runSync(
    Effect.flip(
      task.mode === "whole" ? complete(1000) : stream(1000, { write: () => true, onRoom: () => {} }),
    ),
  )
  if (request === undefined) return { param: failure.param ?? "", reason: failure.message }
  const json = parseJson(Buffer.from(request.body).toString())
  const own = request.headers.flatMap((name, index) =>
    headers?.[name] === undefined ? [] : [[`(${name})`, request?.headers[index + 1]]],
  )
  return {
    body: { ...(isObject(json) ? json : {}), "(path)": request.path, ...Object.fromEntries(own) },
    dropped: dropped?.() ?? [],
  }
}

export const fateOf = (
  dialect: ClientDialect,
  { asks, headers, same, without = {} }: Probe,
  end: End,
): Fate => {
  const sent = send(dialect, asks, end, headers)
  if ("param" in sent) {
    return { _tag: "Refused", param: sent.param, byModel: sent.reason.includes("with this model") }
  }
  const plain = send(dialect, without, end)
  if ("param" in plain) throw new Error(`without it, ${plain.param} is refused: ${plain.reason}`)
  const names = sent.dropped.filter((name) => !plain.dropped.includes(name))
  const said = gained({ ...least[dialect], ...asks }, { ...least[dialect], ...without })
  const found = gained(sent.body, plain.body)
  if (names.length > 0) return { _tag: "Dropped", names, to: found.length > 0 ? placesOf(found) : [] }
  const all = JSON.stringify(sent.body)
  const lost = said
    .filter(({ value }) => MARK.test(value))
    .filter(({ value }) => !all.includes(value.replaceAll('"', "")))
  if (found.length > 0 && lost.length === 0) {
    const isThere = said.every((leaf) =>
      found.some(({ path, value }) => path === leaf.path && value === leaf.value),
    )
    return isThere ? { _tag: "Carried" } : { _tag: "Translated", to: placesOf(found) }
  }
  const reason = typeof same === "object" ? (same[end.name] ?? same[end.model]) : same
  return reason === undefined
    ? { _tag: "Lost", what: lost.map(({ path }) => path).join(", ") }
    : { _tag: "Same", reason }
}
