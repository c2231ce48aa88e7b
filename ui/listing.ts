import { get, type Query } from "./api.ts"

interface Listing<Row> {
  readonly rows: ReadonlyArray<Row>
  readonly hasMore: boolean
}

const LONGEST_PAGE = 1_000

/** Reads a listing page by page, until there are as many rows as are wanted or there are no more. */
export const list = async <Row>(
  path: string,
  {
    abort,
    query = {},
    wanted,
  }: { readonly wanted: number; readonly query?: Query; readonly abort: AbortSignal },
): Promise<Listing<Row>> => {
  const rows: Array<Row> = []
  let cursor: string | undefined
  do {
    const limit = Math.min(LONGEST_PAGE, wanted - rows.length)
    const page: { readonly data: ReadonlyArray<Row>; readonly next_cursor: string | null } = await get(
      path,
      { ...query, limit, cursor },
      abort,
    )
    rows.push(...page.data)
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined && rows.length < wanted)
  return { rows, hasMore: cursor !== undefined }
}
