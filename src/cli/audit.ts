import { isDeepStrictEqual } from "node:util"
import { Clock, Console, Duration, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { AuditEntry } from "../api/AuditApi.ts"
import { Audit } from "../audit/Audit.ts"
import { DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import { EXPECTED_INSTANT } from "../domain/Instant.ts"
import { oneLine } from "../domain/one-line.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { columns } from "./columns.ts"
import { parseDuration } from "./duration.ts"
import { parseInstant } from "./instant.ts"
import { root } from "./root.ts"

type Entry = typeof AuditEntry.Type

/** Lists the fields that a change changed: `rpm: 60 -> 120`, or `rpm: 60` where the other side has nothing. */
const changesOf = ({ after, before }: Pick<Entry, "before" | "after">): string =>
  Object.keys({ ...before, ...after })
    .flatMap((field) => {
      const [was, is] = [before?.[field] ?? null, after?.[field] ?? null]
      if (isDeepStrictEqual(was, is)) return []
      const sides = was === null || is === null ? [was ?? is] : [was, is]
      return `${field}: ${sides.map((side) => JSON.stringify(side)).join(" -> ")}`
    })
    .join(", ")

const asText = (entries: ReadonlyArray<Entry>): string =>
  columns(entries.map((entry) => [entry.at, entry.actor, entry.action, entry.subject, changesOf(entry)]))

export const audit = Command.make(
  "audit",
  {
    limit: Flag.Int("limit").pipe(
      Flag.withDescription(`Changes at most, ${MAX_PAGE_LIMIT} at the outside`),
      Flag.filter(
        (limit) => limit >= 1 && limit <= MAX_PAGE_LIMIT,
        () => `Expected a whole number from 1 to ${MAX_PAGE_LIMIT}`,
      ),
      Flag.withDefault(DEFAULT_PAGE_LIMIT),
    ),
    since: Flag.String("since").pipe(
      Flag.withDescription("Changes made then or later: 7d, or an instant"),
      Flag.filterMap(
        (text) =>
          Option.orElse(
            Option.map(parseDuration(text), (ago) => (nowMs: number) => nowMs - Duration.toMillis(ago)),
            () => Option.map(parseInstant(text), (atMs) => () => atMs),
          ),
        () => `${EXPECTED_INSTANT}, or 7d`,
      ),
      Flag.optional,
    ),
    subject: Flag.String("subject").pipe(
      Flag.withDescription("Changes of this alone, such as the id of a key"),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ limit, since, subject }) {
    const { json } = yield* root
    const nowMs = yield* Clock.currentTimeMillis
    const { entries } = yield* Effect.mapError(
      (yield* Audit).list({
        limit,
        fromMs: Option.getOrUndefined(since)?.(nowMs),
        subject: Option.getOrUndefined(subject),
      }),
      () => new CommandFailed({ message: "The database did not answer. Check DATABASE_URL or DATA_DIR." }),
    )
    if (json) return yield* Console.log(oneLine(JSON.stringify({ data: entries })))
    yield* Console.log(entries.length === 0 ? "Nothing was changed." : asText(entries))
  }),
).pipe(Command.withDescription("Show who changed what, newest first"))
