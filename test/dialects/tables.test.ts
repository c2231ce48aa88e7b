import { assert, describe, expect, it } from "@effect/vitest"
import { type End, endsOf, othersOf } from "./tables/ends.ts"
import type { ClientDialect, Fate } from "./tables/probe.ts"
import { dialects, page, rowsOf } from "./tables/render.ts"

/** Across dialects nothing is lost in silence; docs/dialects.md says what becomes of each field. */

const groups = Object.entries(dialects).flatMap(([dialect, groups]) =>
  Object.keys(groups).map((group) => ({ dialect: dialect as ClientDialect, group })),
)

describe.each(groups)("$dialect: $group", ({ dialect, group }) => {
  const rows = rowsOf(dialect, group)

  const lostOn = (ends: ReadonlyArray<End>) =>
    rowsOf(dialect, group, ends).flatMap(({ fates, field }) =>
      fates.flatMap((fate, index) =>
        fate._tag === "Lost" ? [`${field}, for ${ends[index]?.model} ${fate.what}`] : [],
      ),
    )

  it("are carried, translated, refused, named as left out, or what is done anyway", () => {
    assert.deepStrictEqual(lostOn(endsOf[dialect]), [])
  })

  it("are so too with other models and servers", () => {
    assert.deepStrictEqual(lostOn(othersOf[dialect]), [])
  })

  it("have no reason for what does not happen", () => {
    for (const { fates, field, probe } of rows) {
      const { same, why } = probe
      const silent = endsOf[dialect].filter((_, index) => fates[index]?._tag === "Same")
      if (typeof same === "string") assert.isNotEmpty(silent, field)
      if (typeof same === "object") {
        const ends = [...silent.map(({ name }) => name), ...othersOf[dialect].map(({ model }) => model)]
        assert.isEmpty(Object.keys(same).filter((end) => !ends.includes(end)))
      }
      if (why !== undefined) assert.isTrue(fates.some(isUnserved), field)
    }
  })

  it("are named as the client names them", () => {
    const names = rows.flatMap(({ fates }) =>
      fates.flatMap((fate) =>
        fate._tag === "Dropped" ? fate.names : fate._tag === "Refused" ? [fate.param] : [],
      ),
    )
    for (const name of names) assert.match(name, clientNames[dialect])
  })
})

const isUnserved = ({ _tag }: Fate): boolean => _tag === "Dropped" || _tag === "Refused"

/** What the names of a dialect begin with that another has not. */
const clientNames: Readonly<Record<ClientDialect, RegExp>> = {
  chat: /^(?!input|max_output)/,
  messages: /^(?!user$|stop$|reasoning_effort|response_format|parallel_tool_calls)/,
  responses: /^(?!messages|max_tokens|reasoning_effort|response_format|verbosity|logprobs)/,
}

it("docs/dialects.md says so", async () => {
  await expect(page()).toMatchFileSnapshot(new URL("../../docs/dialects.md", import.meta.url).pathname)
})
