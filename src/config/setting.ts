import { isIP } from "node:net"
import { Config, Effect, Redacted, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { matching, textThat } from "../domain/rules.ts"

/** One setting of the environment: its name, how it is read, and the value at which it stands when unset. */
interface Setting<A> {
  readonly name: string
  readonly unset: A
  readonly config: Config.Config<A>
}

type Table = Readonly<Record<string, Setting<unknown>>>
type Value<From> = From extends Setting<infer A> ? A : never

/** Values of a table of settings. One that may stay unset is then absent. */
export type Values<From extends Table> = {
  readonly [Key in keyof From as undefined extends Value<From[Key]> ? never : Key]: Value<From[Key]>
} & {
  readonly [Key in keyof From as undefined extends Value<From[Key]> ? Key : never]?: Exclude<
    Value<From[Key]>,
    undefined
  >
}

/** A setting that is read as text, without the white space around it. */
export const text = <A, U extends A | undefined>(
  name: string,
  rule: Schema.Codec<A, string>,
  unset: U,
): Setting<A | U> => ({
  name,
  unset,
  config: Config.withDefault<A, U>(Config.schema(Schema.Trim.pipe(Schema.decodeTo(rule)), name), unset),
})

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** A setting whose text is a number in decimal notation; any other text breaks the number's rule. */
export const number = <U extends number | undefined>(
  name: string,
  rule: Schema.Codec<number>,
  unset: U,
): Setting<number | U> =>
  text(
    name,
    Schema.String.pipe(
      Schema.decodeTo(
        rule,
        SchemaTransformation.transform({
          decode: (value: string) => (DECIMAL.test(value) ? Number(value) : Number.NaN),
          encode: String,
        }),
      ),
    ),
    unset,
  )

/** A setting that switches something on or off. */
export const onOrOff = (name: string, unset: boolean): Setting<boolean> =>
  text(
    name,
    oneOfAnyCase(["on", "off"]).pipe(
      Schema.decodeTo(
        Schema.Boolean,
        SchemaTransformation.transform({
          decode: (word: "on" | "off") => word === "on",
          encode: (on): "on" | "off" => (on ? "on" : "off"),
        }),
      ),
    ),
    unset,
  )

/** A setting that no log, error or answer may show. */
export const secret = (name: string, rule: Schema.Codec<string>): Setting<Redacted.Redacted | undefined> => {
  const { config } = text(name, rule, undefined)
  return {
    name,
    unset: undefined,
    config: Config.map(config, (value) => (value === undefined ? undefined : Redacted.make(value))),
  }
}

/** One word of a closed set, in any case. */
export const oneOfAnyCase = <const Word extends string>(words: ReadonlyArray<Word>) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.Literals(words).annotate({ message: `must be one of ${words.join(", ")}` }),
      SchemaTransformation.transform({
        // The literals check next whether it is a word of the set.
        decode: (value: string) => value.toLowerCase() as Word,
        encode: (word: Word): string => word,
      }),
    ),
  )

export const FilePath = textThat("must be a path", (value) => value !== "" && !value.includes("\0"))

const HOST_NAME = /^(?=.{1,253}$)[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?(\.[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?)*$/i

export const Host = textThat(
  "must be an IP address or a host name",
  (value) => isIP(value) !== 0 || HOST_NAME.test(value),
)

/** A URL that may carry a password. */
export const urlOf = (...schemes: ReadonlyArray<string>) =>
  textThat(
    `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`,
    (value) => schemes.some((scheme) => value.startsWith(`${scheme}://`) && URL.canParse(value)),
  )

/** A provider's key, which travels in a header and must fit into one. */
export const ApiKey = matching("must be visible ASCII characters without spaces", /^[!-~]+$/u)

const describe = SchemaIssue.makeFormatterStandardSchemaV1()

const ruleBroken = ({ cause }: Config.ConfigError): string =>
  cause._tag === "SchemaError" ? (describe(cause.issue).issues[0]?.message ?? "") : cause.message

/**
 * Reads settings one after another and keeps every fault, as `NAME rule`. A wrong setting yields its unset value so
 * that reading goes on; nothing is started from it, because the caller stops when there is any fault.
 */
export const makeReader = () => {
  const faults: Array<string> = []
  /** Names of the settings that are present and wrong. */
  const wrong = new Set<string>()
  const read = <A>(from: Setting<A>): Effect.Effect<A> =>
    Effect.catch(from.config, (error) =>
      Effect.sync(() => {
        faults.push(`${from.name} ${ruleBroken(error)}`)
        wrong.add(from.name)
        return from.unset
      }),
    )
  const readAll = <From extends Table>(table: From): Effect.Effect<Values<From>> =>
    Effect.forEach(Object.entries(table), ([key, from]) =>
      Effect.map(read(from), (value) => [key, value] as const),
    ).pipe(
      Effect.map((entries) => entries.filter(([, value]) => value !== undefined)),
      // `fromEntries` forgets which names it was given.
      Effect.map((entries) => Object.fromEntries(entries) as Values<From>),
    )
  return { faults, wrong, read, readAll }
}
