import { Context, Latch } from "effect"

/**
 * Opens when the schema is known to be the one of this version. Who writes without being asked to waits for it: a newer
 * schema must not get rows that know nothing of it. Open where nobody migrates.
 */
export const SchemaReady = Context.Reference<Latch.Latch>("gateway/database/SchemaReady", {
  defaultValue: () => Latch.makeUnsafe(true),
})
