import { randomBytes } from "node:crypto"
import { Effect, FileSystem, Path, Redacted } from "effect"
import { oneLine } from "../domain/one-line.ts"
import { SettingsError } from "./SettingsError.ts"

/** Whoever guesses the secret makes admin tokens: what people write to have 32 bytes of something does not do. */
const MIN_DIFFERENT_CHARACTERS = 8
const MIN_PERIOD = 16

/** Tells a text that a person wrote to fill the length: few characters, or a short pattern again and again. */
export const isGuessable = (secret: string): boolean =>
  new Set(secret).size < MIN_DIFFERENT_CHARACTERS ||
  Array.from({ length: MIN_PERIOD - 1 }, (_, n) => n + 1).some((period) =>
    secret.startsWith(secret.slice(period)),
  )

/**
 * Admin secret of an embedded installation: made at the first start, read at every later one. The file
 * appears whole or not at all (written aside, then linked under its name), so that two processes that start
 * together, or one that dies between, end with the same secret.
 */
export const ADMIN_JWT_SECRET_MIN_BYTES = 32

const read = Effect.fn("AdminJwtSecret.read")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const secret = (yield* fs.readFileString(file)).trim()
  if (Buffer.byteLength(secret) >= ADMIN_JWT_SECRET_MIN_BYTES) return Redacted.make(secret)
  return yield* new SettingsError({
    faults: [
      `DATA_DIR holds a damaged ${oneLine(file)}: it must have at least ${ADMIN_JWT_SECRET_MIN_BYTES} bytes; ` +
        "delete it to have a new one made, which ends every admin token",
    ],
  })
})

const create = Effect.fn("AdminJwtSecret.create")(function* (dataDir: string, file: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(dataDir, { recursive: true, mode: 0o700 })
  const aside = `${file}.${randomBytes(6).toString("hex")}`
  yield* fs
    .writeFileString(aside, randomBytes(ADMIN_JWT_SECRET_MIN_BYTES).toString("base64url"), {
      flag: "wx",
      mode: 0o600,
    })
    .pipe(
      Effect.andThen(fs.link(aside, file)),
      // Another process was first: its secret counts.
      Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void),
      Effect.ensuring(Effect.ignore(fs.remove(aside, { force: true }))),
    )
})

export const readOrCreateAdminJwtSecret = (
  dataDir: string,
): Effect.Effect<Redacted.Redacted, SettingsError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const file = (yield* Path.Path).join(dataDir, "admin-jwt-secret")
    return yield* read(file).pipe(
      Effect.catchReason("PlatformError", "NotFound", () =>
        Effect.andThen(create(dataDir, file), read(file)),
      ),
    )
  }).pipe(
    Effect.catchTag(
      "PlatformError",
      () =>
        new SettingsError({
          faults: ["DATA_DIR must be a directory that this process may create, read and write"],
        }),
    ),
  )
