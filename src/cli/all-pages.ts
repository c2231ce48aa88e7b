import { Effect } from "effect"

/** Asks for page after page and returns all rows. */
export const allPages = Effect.fnUntraced(function* <Row, E, R>(
  pageAfter: (options: {
    readonly limit: number
    readonly cursor?: string
  }) => Effect.Effect<{ readonly rows: ReadonlyArray<Row>; readonly nextCursor: string | null }, E, R>,
) {
  const all: Array<Row> = []
  let cursor: string | null = null
  do {
    const page: { readonly rows: ReadonlyArray<Row>; readonly nextCursor: string | null } = yield* pageAfter({
      limit: 500,
      ...(cursor === null ? {} : { cursor }),
    })
    all.push(...page.rows)
    cursor = page.nextCursor
  } while (cursor !== null)
  return all
})
