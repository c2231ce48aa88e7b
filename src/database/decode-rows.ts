import { Effect, Schema } from "effect"

/**
 * Returns a function that decodes what a statement over our own tables gives back. A row of another shape is a fault in
 * the statement and ends the fiber; it is no answer of the database.
 */
export const decodeRows = <Row extends Schema.ConstraintDecoder<unknown>>(row: Row) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(row))
  return <E, R>(statement: Effect.Effect<ReadonlyArray<unknown>, E, R>) =>
    Effect.flatMap(statement, (rows) => Effect.orDie(decode(rows)))
}
