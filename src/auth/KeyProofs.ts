import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto"
import { Context, Effect, Layer, Redacted } from "effect"
import { Settings } from "../config/Settings.ts"

/**
 * Proofs that bcrypt once accepted a secret for a hash: what a restarted gateway checks instead of asking bcrypt again.
 *
 * A proof is an HMAC of hash and secret with a key that is derived from `ADMIN_JWT_SECRET`, followed by a seal, an HMAC
 * of hash and proof. It belongs to one bcrypt hash and says nothing of any other, so a rotation needs no care of it. A
 * proof without a fitting seal (damaged, moved, of another `ADMIN_JWT_SECRET`) is as none: bcrypt decides.
 */
export class KeyProofs extends Context.Service<
  KeyProofs,
  {
    /** Returns the proof of a secret that bcrypt has just accepted for this hash. */
    readonly make: (secret: string, secretHash: string) => string
    /** Returns what bcrypt would say of the secret; undefined when only bcrypt knows. */
    readonly judge: (secret: string, secretHash: string, proof: string | null) => boolean | undefined
  }
>()("gateway/auth/KeyProofs") {
  static readonly layer = Layer.effect(
    KeyProofs,
    Effect.gen(function* () {
      const { adminJwtSecret } = yield* Settings
      const keyFor = (use: string) =>
        Buffer.from(hkdfSync("sha256", Redacted.value(adminJwtSecret), "", `llm-gateway ${use}`, KEY_BYTES))
      const proofKey = keyFor("key proof")
      const sealKey = keyFor("key proof seal")
      return KeyProofs.of({
        make: (secret, secretHash) => {
          const proof = mac(proofKey, secretHash, secret)
          return Buffer.concat([proof, mac(sealKey, secretHash, proof)]).toString("base64url")
        },
        judge: (secret, secretHash, text) => {
          const bytes = Buffer.from(text ?? "", "base64url")
          if (bytes.length !== 2 * MAC_BYTES) return undefined
          const proof = bytes.subarray(0, MAC_BYTES)
          if (!timingSafeEqual(bytes.subarray(MAC_BYTES), mac(sealKey, secretHash, proof))) return undefined
          return timingSafeEqual(proof, mac(proofKey, secretHash, secret))
        },
      })
    }),
  )
}

const KEY_BYTES = 32
const MAC_BYTES = 32

/** A bcrypt hash has no line break, so that no two pairs have the same text. */
const mac = (key: Buffer, secretHash: string, of: string | Buffer): Buffer =>
  createHmac("sha256", key).update(`${secretHash}\n`).update(of).digest()
