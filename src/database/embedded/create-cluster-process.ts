import { PGlite } from "@electric-sql/pglite"

/**
 * The process that makes the files of a new database in the directory that its argument names, and ends. PGlite runs a
 * second PostgreSQL for that, and 150 MiB of what the two need are given back only by the end of a process.
 */
const [, , directory = ""] = process.argv
const database = await PGlite.create({ dataDir: directory })
await database.close()
