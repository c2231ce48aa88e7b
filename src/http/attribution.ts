/** Whom a request is for and what it belongs to, as its header fields and its body say. */
import { Effect, Result } from "effect"
import { ofConfig } from "../config/of-config.ts"
import { Settings } from "../config/Settings.ts"
import {
  type Attribution,
  isPlainTag,
  isPlainUser,
  joinTags,
  MAX_REQUEST_TAGS,
  UNATTRIBUTED,
  userNamed,
  userOf,
} from "../domain/Attribution.ts"
import { MAX_TAG_LENGTH, MAX_USER_LENGTH } from "../domain/bounds.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import type { Task } from "../domain/Task.ts"

type Headers = Readonly<Record<string, string | undefined>>

/** What header fields say: `user` before a body, `otherUser` after it. */
interface NamedInHeaders {
  readonly user: string | undefined
  readonly otherUser: string | undefined
  readonly tags: ReadonlyArray<string>
}

/** A header field of some client's, and what it says. */
type AttributionHeader = readonly [name: string, says: "user" | "tag"]

/**
 * Header fields in which other gateways' clients name users and tags, the first that is there. Open WebUI sends its own once
 * its administrator lets it; clients that were set up for LiteLLM, Helicone or LibreChat's example have the others.
 */
const KNOWN: ReadonlyArray<AttributionHeader> = [
  ["x-openwebui-user-id", "user"],
  ["x-litellm-customer-id", "user"],
  ["x-litellm-end-user-id", "user"],
  ["helicone-user-id", "user"],
  ["x-litellm-tags", "tag"],
]

const NOTHING: Result.Result<NamedInHeaders, never> = Result.succeed({
  user: undefined,
  otherUser: undefined,
  tags: [],
})

/** Makes a reader of header fields: the gateway's own, and of others those of the table. */
export const makeAttributionReader = (
  headers: ReadonlyArray<AttributionHeader>,
): ((sent: Headers) => Result.Result<NamedInHeaders, GatewayError>) => {
  const table = [...headers, ...KNOWN]
  return (sent) => {
    const user = sent["x-gateway-user"]?.trim() || undefined
    const listed = sent["x-gateway-tags"]
    let otherUser: string | undefined
    let found: Array<string> | undefined
    for (const [name, says] of table) {
      const value = sent[name]
      if (value === undefined) continue
      if (says === "user") otherUser ??= userNamed(utf8(value))
      else found = [...(found ?? []), ...textsOf(value).filter(isPlainTag)]
    }
    if (user === undefined && listed === undefined && otherUser === undefined && found === undefined) {
      return NOTHING
    }
    if (user !== undefined && !isPlainUser(user)) return Result.fail(invalidUser)
    const own = listed === undefined ? [] : textsOf(listed)
    if (own.length > MAX_REQUEST_TAGS || !own.every(isPlainTag)) return Result.fail(invalidTags)
    const tags = found === undefined ? own : joinTags(own, found).slice(0, MAX_REQUEST_TAGS)
    return Result.succeed({ user, otherUser, tags: [...new Set(tags)] })
  }
}

/** Makes the reader of header fields that the settings say. */
export const makeNamedInHeaders = Effect.map(Settings, (settings) => {
  const read = ofConfig(settings, ({ attribution }) =>
    makeAttributionReader(
      Object.entries(attribution.headers).map(([name, says]) => [name.toLowerCase(), says]),
    ),
  )
  return (sent: Headers) => read()(sent)
})

/** Returns the texts of a list, without empty ones. */
const textsOf = (value: string): ReadonlyArray<string> =>
  value.split(",").flatMap((text) => text.trim() || [])

/** Node reads a header field's bytes as Latin-1. */
const utf8 = (value: string): string =>
  /[\x80-\xff]/.test(value) ? Buffer.from(value, "latin1").toString() : value

/** Joins what header fields and a body say. */
export const attributionOf = ({ otherUser, tags, user }: NamedInHeaders, task: Task): Attribution => {
  const named = user ?? userOf(task) ?? otherUser
  if (named === undefined) return tags.length === 0 ? UNATTRIBUTED : { tags }
  return { user: named, tags }
}

const invalid = (param: string, rule: string) =>
  new GatewayError({ code: "invalid_request", param, detail: `${param}: ${rule}` })

const invalidUser = invalid(
  "x-gateway-user",
  `Expected 1 to ${MAX_USER_LENGTH} printable ASCII characters without a comma, sent once.`,
)

const invalidTags = invalid(
  "x-gateway-tags",
  `Expected at most ${MAX_REQUEST_TAGS} tags with commas between, each of 1 to ${MAX_TAG_LENGTH} printable ASCII characters.`,
)
