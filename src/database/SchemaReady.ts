import { Context, Latch } from "effect"

/**
 * Opens when the schema is known to be one that this version may write to. Who writes without being asked to waits for it: a
 * schema that refuses older versions must not get rows of theirs. Open where nobody migrates.
 */
export const SchemaReady = Context.Reference<Latch.Latch>("gateway/database/SchemaReady", {
  defaultValue: () => Latch.makeUnsafe(true),
})
