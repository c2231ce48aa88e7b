import { Effect } from "effect"
import { explainFailure } from "../../database/explain-failure.ts"
import { reading } from "../../database/reading.ts"
import { type Finding, fail, ok } from "../../domain/Finding.ts"
import { explainInsert } from "../write-batch.ts"
import type { LedgerSubject } from "./LedgerSubject.ts"

/**
 * Tells whether the ledger could write: the database plans the very statement that writes a batch, which takes every
 * table, column, key and permission that it needs, and runs none of it.
 */
export const checkWriting = ({ sql }: Pick<LedgerSubject, "sql">): Effect.Effect<Finding> =>
  reading(sql, explainInsert(sql)).pipe(
    Effect.as(ok("ledger", { summary: "a batch can be written" })),
    Effect.catch((error) =>
      Effect.succeed(
        fail("ledger", {
          summary: `no batch can be written: ${explainFailure(error)}`,
          next: "Mend what the reason says. Until then records wait in the journal of each gateway.",
        }),
      ),
    ),
  )
