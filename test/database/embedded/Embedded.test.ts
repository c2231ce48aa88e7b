import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { cp, mkdir, readdir, rm, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../../src/database/Database.ts"
import { open } from "../../../src/database/embedded/Embedded.ts"
import { layerEmbedded, migratedDataDir, temporaryDirectory } from "../../support/Databases.ts"

const pool = Database.layerPool({ applicationName: "test", maxConnections: 4, statementTimeoutMs: 5_000 })

const program = fileURLToPath(new URL("./embedded-process.ts", import.meta.url))

interface Running {
  readonly child: ChildProcess
  readonly output: () => string
}

const start = (...args: ReadonlyArray<string>): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
      let output = ""
      child.stdout.on("data", (data) => {
        output += data
      })
      child.stderr.on("data", (data) => {
        output += data
      })
      return { child, output: () => output }
    }),
    (running) => kill(running),
  )

const exited = ({ child }: Running) =>
  Effect.promise(async () => {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    return child.exitCode
  })

const kill = (running: Running) =>
  Effect.andThen(
    Effect.sync(() => running.child.kill("SIGKILL")),
    exited(running),
  )

/** A gateway that answers on its socket. */
const startGateway = Effect.fnUntraced(function* (dataDir: string) {
  const gateway = yield* start("serve", dataDir)
  yield* Effect.promise(async () => {
    while (!gateway.output().includes("serving")) {
      await Promise.race([once(gateway.child.stdout ?? gateway.child, "data"), once(gateway.child, "exit")])
      if (gateway.child.exitCode !== null) throw new Error(gateway.output())
    }
  })
  return gateway
})

const notes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ text: string }>`SELECT text FROM notes ORDER BY text`
  return rows.map(({ text }) => text)
})

describe("one DATA_DIR", () => {
  it.live("is refused to a second gateway with a message that says what to do", () =>
    Effect.gen(function* () {
      const dataDir = yield* migratedDataDir
      yield* startGateway(dataDir)
      const error = yield* Effect.flip(open(dataDir))
      assert.strictEqual(error._tag, "DataDirInUse")
      assert.strictEqual(
        error.message,
        `Another gateway is running on DATA_DIR ${dataDir}; stop it or set DATA_DIR.`,
      )
    }),
  )

  it.live("is free again, with its data, after kill -9 of the gateway", () =>
    Effect.gen(function* () {
      const dataDir = yield* migratedDataDir
      const gateway = yield* startGateway(dataDir)
      assert.strictEqual(yield* exited(yield* start("note", dataDir, "kept")), 0)
      yield* kill(gateway)
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* notes, ["kept"])
      }).pipe(Effect.provide(pool.pipe(Layer.provide(Database.layerEmbedded(dataDir)))))
    }),
  )

  it.live("serves commands beside the gateway, and commands alone, whoever starts first", () =>
    Effect.gen(function* () {
      const dataDir = yield* migratedDataDir
      const texts = ["a", "b", "c"]
      const commands = yield* Effect.forEach(texts, (text) => start("note", dataDir, text))
      for (const command of commands) {
        assert.strictEqual(yield* exited(command), 0, command.output())
      }
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* notes, texts)
        const beside = yield* start("note", dataDir, "d")
        assert.strictEqual(yield* exited(beside), 0, beside.output())
        assert.deepStrictEqual(yield* notes, [...texts, "d"])
      }).pipe(Effect.provide(pool.pipe(Layer.provide(Database.layerEmbedded(dataDir)))))
    }),
  )

  it.live("keeps everybody else out of its socket and files", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryDirectory
      const dataDir = join(parent, "data")
      const { socketPath } = yield* open(dataDir)
      const mode = (path: string) => Effect.promise(async () => (await stat(path)).mode & 0o777)
      assert.strictEqual(yield* mode(socketPath), 0o600)
      assert.strictEqual(yield* mode(dataDir), 0o700)
      assert.strictEqual(yield* mode(join(dataDir, "postgres")), 0o700)
    }),
  )

  it.live("that is too long for a socket is named in the error", () =>
    Effect.gen(function* () {
      const dataDir = join(yield* temporaryDirectory, "d".repeat(120))
      const error = yield* Effect.flip(open(dataDir))
      assert.strictEqual(error._tag, "EmbeddedDatabaseError")
      assert.include(error.message, "Set a shorter DATA_DIR.")
    }),
  )

  it.live("that cannot be made is named in the error", () =>
    Effect.gen(function* () {
      const dataDir = "/dev/null/data"
      const error = yield* Effect.flip(open(dataDir))
      assert.strictEqual(error._tag, "EmbeddedDatabaseError")
      assert.include(error.message, "DATA_DIR /dev/null/data cannot be used")
    }),
  )
})

describe("a new database", () => {
  it.live("appears complete, and what a killed process left of one is removed", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      yield* Effect.promise(() =>
        mkdir(join(dataDir, "postgres-unfinished-killed/base"), { recursive: true }),
      )
      const buffers = yield* SqlClient.SqlClient.use((sql) => sql`SHOW shared_buffers`).pipe(
        Effect.provide(pool.pipe(Layer.provide(Database.layerEmbedded(dataDir)))),
      )
      assert.deepStrictEqual(buffers, [{ shared_buffers: "32MB" }])
      const names = yield* Effect.promise(() => readdir(dataDir))
      assert.sameMembers(names, ["lock", "postgres"])
    }),
  )
})

/** Names, sizes and times of all that is in a directory. */
const contents = (directory: string) =>
  Effect.promise(async () => {
    const names = await readdir(directory, { recursive: true })
    return Promise.all(
      names.toSorted().map(async (name) => {
        const { size, mtimeMs } = await stat(join(directory, name))
        return `${name} ${size} ${mtimeMs}`
      }),
    )
  })

describe("a directory of a database", () => {
  const removed = (name: string) => (cluster: string) => rm(join(cluster, name), { recursive: true })
  const emptied = (name: string) => (cluster: string) => truncate(join(cluster, name))
  const withoutLog = async (cluster: string) => {
    const segments = (await readdir(join(cluster, "pg_wal"))).filter((name) => /^[0-9A-F]{24}$/.test(name))
    for (const name of segments) await rm(join(cluster, "pg_wal", name))
  }
  const faults: ReadonlyArray<readonly [string, (cluster: string) => Promise<unknown>, RegExp]> = [
    ["without PG_VERSION", removed("PG_VERSION"), /PG_VERSION missing/],
    ["with an empty PG_VERSION", emptied("PG_VERSION"), /PG_VERSION missing/],
    ["without pg_control", removed("global/pg_control"), /global\/pg_control missing/],
    ["with an empty pg_control", emptied("global/pg_control"), /global\/pg_control missing/],
    ["without its tables", removed("base"), /base\/1, base\/5 missing/],
    ["whose log has no file", withoutLog, /files of pg_wal missing/],
    ["that lost its empty folders", removed("pg_replslot"), /pg_replslot missing/],
    ["of another PostgreSQL", (to) => writeFile(join(to, "PG_VERSION"), "17\n"), /PostgreSQL 17.* runs 18/],
  ]

  it.live.each(faults)("%s is refused and left as it is", ([, damage, expected]) =>
    Effect.gen(function* () {
      const dataDir = yield* migratedDataDir
      const cluster = join(dataDir, "postgres")
      yield* Effect.promise(() => damage(cluster))
      const before = yield* contents(cluster)
      const error = yield* Effect.flip(Effect.scoped(open(dataDir)))
      assert.strictEqual(error._tag, "EmbeddedDatabaseError")
      assert.match(error.message, expected)
      assert.include(error.message, `${cluster} is not whole`)
      assert.include(error.message, "Restore all of DATA_DIR from a backup")
      assert.notInclude(error.message, "\n")
      assert.deepStrictEqual(yield* contents(cluster), before)
      assert.sameMembers(yield* Effect.promise(() => readdir(dataDir)), ["lock", "postgres"])
    }),
  )

  it.live("that holds something else is refused and left as it is", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      yield* Effect.promise(async () => {
        await mkdir(join(dataDir, "postgres"))
        await writeFile(join(dataDir, "postgres/letter.txt"), "kept")
      })
      const error = yield* Effect.flip(Effect.scoped(open(dataDir)))
      assert.include(error.message, "is not whole: PG_VERSION")
      const names = yield* Effect.promise(() => readdir(join(dataDir, "postgres")))
      assert.deepStrictEqual(names, ["letter.txt"])
    }),
  )

  it.live("that is empty becomes a new database, a copy of a whole one is opened", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      yield* Effect.promise(() => mkdir(join(dataDir, "postgres")))
      const first = yield* start("note", dataDir, "kept")
      assert.strictEqual(yield* exited(first), 0, first.output())
      const copy = join(yield* temporaryDirectory, "copy")
      yield* Effect.promise(() => cp(dataDir, copy, { recursive: true }))
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* notes, ["kept"])
        const [{ version } = { version: "" }] = yield* SqlClient.SqlClient.use(
          (sql) => sql<{ version: string }>`SELECT current_setting('server_version') AS version`,
        )
        assert.match(version, /^18\b/, "POSTGRES_MAJOR in cluster-files.ts")
      }).pipe(Effect.provide(pool.pipe(Layer.provide(Database.layerEmbedded(copy)))))
    }),
  )

  it.live("that was never finished is made anew, whenever its maker was killed", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      const unfinished = Effect.promise(async () =>
        (await readdir(dataDir)).filter((name) => name.startsWith("postgres-unfinished-")),
      )
      const killed = yield* start("serve", dataDir)
      while ((yield* unfinished).length === 0 && killed.child.exitCode === null) yield* Effect.sleep(5)
      yield* kill(killed)
      assert.lengthOf(yield* unfinished, 1)
      // Its child, which makes the files, may still be at it.
      const next = yield* start("note", dataDir, "kept")
      assert.strictEqual(yield* exited(next), 0, next.output())
      assert.deepStrictEqual(yield* unfinished, [])
    }),
  )
})

it.live("a crash of the embedded database ends its queries and is reported", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { stopped } = yield* Database
    yield* sql`
      CREATE FUNCTION dig(depth int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN dig(depth + 1); END $$`
    const lost = yield* Effect.flip(sql`SELECT dig(0)`)
    assert.strictEqual(lost.reason._tag, "ConnectionError")
    const reported = yield* Effect.flip(stopped)
    assert.include(reported.message, "gave no answer")
    const refused = yield* Effect.flip(sql`SELECT 1`)
    assert.strictEqual(refused.reason._tag, "ConnectionError")
  }).pipe(Effect.provide(layerEmbedded)),
)
