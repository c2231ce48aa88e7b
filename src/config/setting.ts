import { isIP } from "node:net"
import { Config, Effect, Redacted, Schema } from "effect"

/**
 * One setting of the environment: its name, what it stands at when unset, and its rule in words. A wrong value
 * is reported as `NAME rule`; the value itself is never quoted, since a secret may stand in the wrong place.
 */
export interface Setting<A> {
  readonly name: string
  readonly rule: string
  readonly unset: A
  readonly config: Config.Config<A>
}

const setting = <A, U extends A>(
  name: string,
  rule: string,
  config: Config.Config<A>,
  unset: U,
): Setting<A> => ({
  name,
  rule,
  unset,
  config: Config.withDefault(config, unset),
})

const text = (name: string, accepts: (value: string) => boolean): Config.Config<string> =>
  Config.schema(Schema.Trim.check(Schema.makeFilter(accepts)), name)

export const wholeNumber = <U extends number | undefined>(
  name: string,
  min: number,
  max: number,
  unset: U,
): Setting<number | U> =>
  setting<number | U, U>(
    name,
    `must be a whole number from ${min} to ${max}`,
    Config.schema(Schema.Int.check(Schema.isBetween({ minimum: min, maximum: max })), name),
    unset,
  )

/** One word of a closed set, in any case. */
export const oneOf = <const L extends string, U extends L | undefined>(
  name: string,
  words: ReadonlyArray<L>,
  unset: U,
): Setting<L | U> => {
  const byWord = new Map<string, L>(words.map((word) => [word, word]))
  const known = (value: string) => byWord.get(value.toLowerCase())
  return setting<L | U, U>(
    name,
    `must be one of ${words.join(", ")}`,
    Config.map(
      text(name, (value) => known(value) !== undefined),
      (value) => known(value) ?? unset,
    ),
    unset,
  )
}

export const path = <U extends string | undefined>(name: string, unset: U): Setting<string | U> =>
  setting<string | U, U>(
    name,
    "must be a path",
    text(name, (value) => value !== "" && !value.includes("\0")),
    unset,
  )

const HOST_NAME = /^(?=.{1,253}$)[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?(\.[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?)*$/i

export const host = (name: string, unset: string): Setting<string> =>
  setting(
    name,
    "must be an IP address or a host name",
    text(name, (value) => isIP(value) !== 0 || HOST_NAME.test(value)),
    unset,
  )

/** What the rule for base URLs says, shared with the YAML file. */
export const BASE_URL_RULE = "must be an http:// or https:// URL without credentials, query or fragment"

export const isBaseUrl = (value: string): boolean => {
  const url = URL.parse(value)
  if (url === null || /\s/.test(value)) return false
  if (url.protocol !== "http:" && url.protocol !== "https:") return false
  return url.username === "" && url.password === "" && !/[?#@]/.test(value)
}

export const withoutTrailingSlash = (url: string): string => url.replace(/\/+$/, "")

export const baseUrl = <U extends string | undefined>(name: string, unset: U): Setting<string | U> =>
  setting<string | U, U>(name, BASE_URL_RULE, Config.map(text(name, isBaseUrl), withoutTrailingSlash), unset)

const secret = (
  name: string,
  rule: string,
  accepts: (value: string) => boolean,
): Setting<Redacted.Redacted | undefined> =>
  setting<Redacted.Redacted | undefined, undefined>(
    name,
    rule,
    Config.map(text(name, accepts), (value) => Redacted.make(value)),
    undefined,
  )

/** A URL that may carry a password. */
export const secretUrl = (name: string, schemes: ReadonlyArray<string>) =>
  secret(
    name,
    `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`,
    (value) => schemes.some((scheme) => value.startsWith(`${scheme}://`) && URL.canParse(value)),
  )

/** A provider's key travels in a header, so it must fit into one. */
export const apiKey = (name: string) =>
  secret(name, "must be visible ASCII characters without spaces", (value) => /^[!-~]+$/.test(value))

export const secretOfBytes = (name: string, min: number) =>
  secret(name, `must have at least ${min} bytes`, (value) => Buffer.byteLength(value) >= min)

/**
 * Reads settings one after another and keeps every fault. A wrong setting yields its unset value so that reading
 * goes on; nothing is started from it, because the caller stops when there is any fault.
 */
export const makeReader = () => {
  const faults: Array<string> = []
  /** Names of the settings that are present and wrong. */
  const wrong = new Set<string>()
  const read = <A>(from: Setting<A>): Effect.Effect<A> =>
    Effect.catch(from.config, () =>
      Effect.sync(() => {
        faults.push(`${from.name} ${from.rule}`)
        wrong.add(from.name)
        return from.unset
      }),
    )
  return { faults, wrong, read }
}
