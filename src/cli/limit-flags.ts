import { Effect, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { Concurrency, RequestsPerMinute, TokensPerMinute } from "../api/limit-fields.ts"
import { CommandFailed } from "./CommandFailed.ts"

/** Splits a list as people type it. */
export const listed = (text: string): ReadonlyArray<string> => text.split(",").map((word) => word.trim())

/** Returns the fields that an option has, and none when it is none. */
export const fields = <A, Fields extends object>(option: Option.Option<A>, of: (value: A) => Fields) =>
  Option.match(option, { onNone: () => ({}), onSome: of })

/** The flags for limits. */
export const limitFlags = (unset: string) => ({
  rpm: Flag.Int("rpm").pipe(
    Flag.withDescription(`Requests per minute; ${unset}`),
    Flag.withSchema(RequestsPerMinute),
    Flag.optional,
  ),
  tpm: Flag.Int("tpm").pipe(
    Flag.withDescription("Tokens per minute, input and output together"),
    Flag.withSchema(TokensPerMinute),
    Flag.optional,
  ),
  concurrency: Flag.Int("concurrency").pipe(
    Flag.withDescription("Requests in flight"),
    Flag.withSchema(Concurrency),
    Flag.optional,
  ),
})

/** The limits that flags say. */
export const limitsOf = ({
  rpm,
  tpm,
  concurrency,
}: {
  readonly rpm: Option.Option<number>
  readonly tpm: Option.Option<number>
  readonly concurrency: Option.Option<number>
}) => ({
  ...fields(rpm, (requestsPerMinute) => ({ requestsPerMinute })),
  ...fields(tpm, (tokensPerMinute) => ({ tokensPerMinute })),
  ...fields(concurrency, (concurrency) => ({ concurrency })),
})

/** What limits are when `--clear` names them. */
export const clearedLimits = {
  rpm: { requestsPerMinute: null },
  tpm: { tokensPerMinute: null },
  concurrency: { concurrency: null },
} as const

const decodeNames = <const Name extends string>(names: ReadonlyArray<Name>) =>
  Schema.decodeUnknownOption(Schema.Array(Schema.Literals(names)))

/** A flag that takes away what other flags would set, by their names. */
export const clearFlag = <const Name extends string>(names: ReadonlyArray<Name>) =>
  Flag.String("clear").pipe(
    Flag.withMetavar("a,b"),
    Flag.withDescription(`Take away: any of ${names.join(", ")}, comma-separated`),
    Flag.filterMap(
      (text) => decodeNames(names)(listed(text)),
      () => `Expected any of ${names.join(", ")}`,
    ),
    Flag.withDefault([] as ReadonlyArray<Name>),
  )

/** Fails where a flag says what `--clear` takes away. */
export const notBoth = (clear: ReadonlyArray<string>, flags: Readonly<Record<string, unknown>>) => {
  const both = clear.find((name) => Option.isOption(flags[name]) && Option.isSome(flags[name]))
  return both === undefined
    ? Effect.void
    : Effect.fail(new CommandFailed({ message: `--clear ${both}: --${both} says what to set it to.` }))
}
