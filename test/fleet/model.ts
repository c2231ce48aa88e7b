/**
 * What so many requests a second ask of gateways and of PostgreSQL. Constants are measured on one machine; docs/scaling.md says by
 * what, and how sure they are.
 */

/** CPU of a gateway: of a whole answer of 1 KB with limits and a budget, of a stream beside its pieces, and of a piece. */
const [WHOLE_US, STREAM_US, PIECE_US] = [76, 250, 36]
/** A stream of the table, and what it holds meanwhile. */
const [PIECES, STREAM_SECONDS, STREAM_BYTES] = [300, 5, 52_000]
/** A core is not filled further. */
const MOST_BUSY = 0.6
const CONNECTIONS = 17
/** Of the ledger in PostgreSQL. */
const [BATCH_US, ROW_US, BATCHES_PER_SECOND, BATCH_ROWS, ROW_BYTES] = [1_000, 80, 5, 500, 1_900]
/** An exchange, and how many of them a budget costs each replica a second. */
const [LIMIT_US, BUDGET_US, BUDGET_PER_SECOND] = [300, 400, 1.1]
/** Of each replica, for keys and for budgets that changed. */
const POLLS_US = 1_000

const replicasFor = (perSecond: number, us: number): number =>
  Math.max(2, Math.ceil((perSecond * us) / 1e6 / MOST_BUSY))

export const modelOf = (perSecond: number) => {
  const wholeReplicas = replicasFor(perSecond, WHOLE_US)
  const replicas = replicasFor(perSecond, STREAM_US + PIECES * PIECE_US)
  const batches = replicas * Math.max(BATCHES_PER_SECOND, perSecond / replicas / BATCH_ROWS)
  const budgetExchanges = BUDGET_PER_SECOND * replicas
  return {
    wholeReplicas,
    replicas,
    openStreams: perSecond * STREAM_SECONDS,
    streamGiB: (perSecond * STREAM_SECONDS * STREAM_BYTES) / 2 ** 30,
    connections: replicas * CONNECTIONS,
    batches,
    budgetExchanges,
    ledgerCores: (batches * BATCH_US + perSecond * ROW_US) / 1e6,
    /** Every request asks for its key's limit: the keys are many, and any replica may get them. */
    limitCores: (perSecond * LIMIT_US) / 1e6,
    otherCores: (budgetExchanges * BUDGET_US + replicas * POLLS_US) / 1e6,
    gigabytesADay: (perSecond * 86_400 * ROW_BYTES) / 1e9,
  }
}
