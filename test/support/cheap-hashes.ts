import { Layer } from "effect"
import { HashCost } from "../../src/auth/SecretHasher.ts"

/** The fewest rounds that bcrypt knows. */
export const CHEAPEST = 4

/** For tests that make keys and are not about hashing them. */
export const cheapHashes = Layer.succeed(HashCost, CHEAPEST)
