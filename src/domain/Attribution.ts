import { hash } from "node:crypto"
import { isObject, parseJson, stringAt } from "../platform/json.ts"
import { MAX_TAG_LENGTH, MAX_USER_LENGTH } from "./bounds.ts"
import { fieldsOf, type Task } from "./Task.ts"

/** Whom a request is for and what it belongs to, besides its key and the key's team: as its client says, and its key. */
export interface Attribution {
  /** The end user. */
  readonly user?: string
  /** The key's and the request's own, each once. */
  readonly tags: ReadonlyArray<string>
}

export const UNATTRIBUTED: Attribution = { tags: [] }

/** Tags that a request brings, besides those of its key. */
export const MAX_REQUEST_TAGS = 10

/** Printable ASCII without a comma, which parts tags, and without spaces around it. */
const PLAIN = /^[!-+\--~](?:[ -+\--~]*[!-+\--~])?$/

/** Tells whether a text can be said in `X-Gateway-User`. */
export const isPlainUser = (text: string): boolean => text.length <= MAX_USER_LENGTH && PLAIN.test(text)

export const isPlainTag = (text: string): boolean => text.length <= MAX_TAG_LENGTH && PLAIN.test(text)

/** Adds tags to those that are there, each once. */
export const joinTags = (tags: ReadonlyArray<string>, more: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (more.length === 0) return tags
  return tags.length === 0 ? more : [...new Set([...tags, ...more])]
}

/** Returns whom a request's body says that it is for; undefined where it says nothing. */
export const userOf = (task: Task): string | undefined => {
  const fields = fieldsOf(task)
  if (!isObject(fields)) return undefined
  const { metadata, safety_identifier, user } = fields
  if (safety_identifier === undefined && user === undefined && metadata === undefined) return undefined
  return (
    userNamed(safety_identifier) ??
    userNamed(user) ??
    userNamed(isObject(metadata) ? agentUser(stringAt(metadata, "user_id")) : undefined)
  )
}

/**
 * Makes the name of a user of what a client sent in a field that is not the gateway's own, and so knows none of its rules:
 * undefined for nothing, and cut where it is too long, to what no other user is cut to.
 */
export const userNamed = (sent: unknown): string | undefined => {
  if (typeof sent !== "string") return undefined
  const name = printable(sent.trim())
  if (name === "") return undefined
  return name.length <= MAX_USER_LENGTH
    ? name
    : `${name.slice(0, MAX_USER_LENGTH - 33).toWellFormed()}~${hash("sha256", name).slice(0, 32)}`
}

/** No database holds NUL or half a surrogate pair, and nobody reads a control character. */
const printable = (text: string): string =>
  (text.isWellFormed() ? text : text.toWellFormed()).replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "\ufffd")

/** Claude Code's, of an account or a device, in either way of its versions; a session ends with each. */
const AGENT_USER = /^(user_[0-9a-f]{64})_account_([0-9a-f-]{36})?_session_/

/** Returns the user in what Claude Code says, which names the session too; other texts as they are. */
const agentUser = (sent: string | undefined): string | undefined => {
  if (sent === undefined) return undefined
  const [, device, account] = AGENT_USER.exec(sent) ?? []
  if (device !== undefined) return account ?? device
  if (!sent.startsWith("{")) return sent
  const said = parseJson(sent)
  if (!isObject(said)) return sent
  return stringAt(said, "account_uuid") || stringAt(said, "device_id") || sent
}
