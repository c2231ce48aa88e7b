import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"

/**
 * X.509 certificates made on the spot, good ones and bad ones, so that no key lies in the repository and nothing in
 * it expires. Node signs but does not issue: the DER around the signature (RFC 5280) is written here.
 */
export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

interface Authority extends Certificate {
  readonly name: string
  readonly privateKey: KeyObject
}

type Subject = { readonly ip: readonly [number, number, number, number] } | { readonly dns: string }

const DAY_MS = 86_400_000

const der = (tag: number, ...contents: ReadonlyArray<Buffer>): Buffer => {
  const content = Buffer.concat(contents)
  const { length } = content
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), content])
}
const sequence = (...contents: ReadonlyArray<Buffer>): Buffer => der(0x30, ...contents)
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")

const ecdsaWithSha256 = sequence(der(0x06, bytes("2a8648ce3d040302")))
const commonName = (name: string): Buffer =>
  sequence(der(0x31, sequence(der(0x06, bytes("550403")), der(0x0c, Buffer.from(name)))))
const utcTime = (atMs: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(atMs).toISOString().replace(/\D/g, "").slice(2, 14)}Z`))
const critical = der(0x01, bytes("ff"))
const isAuthority = sequence(
  der(0x06, bytes("551d13")),
  critical,
  der(0x04, sequence(der(0x01, bytes("ff")))),
)
const alternativeName = (subject: Subject): Buffer => {
  const name = "ip" in subject ? der(0x87, Buffer.from(subject.ip)) : der(0x82, Buffer.from(subject.dns))
  return sequence(der(0x06, bytes("551d11")), der(0x04, sequence(name)))
}

const make = (options: {
  readonly issuer: string
  readonly signedBy: KeyObject | undefined
  readonly subject: string
  readonly fromMs: number
  readonly toMs: number
  readonly extension: Buffer
}) => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const content = sequence(
    der(0xa0, der(0x02, bytes("02"))),
    der(0x02, Buffer.concat([bytes("01"), randomBytes(8)])),
    ecdsaWithSha256,
    commonName(options.issuer),
    sequence(utcTime(options.fromMs), utcTime(options.toMs)),
    commonName(options.subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(options.extension)),
  )
  const signature = sign("sha256", content, options.signedBy ?? privateKey)
  const certificate = sequence(content, ecdsaWithSha256, der(0x03, bytes("00"), signature))
  const base64 = certificate.toString("base64").replace(/.{64}/g, "$&\n")
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    privateKey,
  }
}

export const makeAuthority = (name: string): Authority => {
  const now = Date.now()
  const made = make({
    issuer: name,
    signedBy: undefined,
    subject: name,
    fromMs: now - 3 * DAY_MS,
    toMs: now + 3 * DAY_MS,
    extension: isAuthority,
  })
  return { ...made, name }
}

/** Valid for days around now, or until yesterday. */
export const issue = (
  { name, privateKey }: Authority,
  subject: Subject,
  validity: "valid" | "expired" = "valid",
): Certificate => {
  const now = Date.now()
  return make({
    issuer: name,
    signedBy: privateKey,
    subject: "provider",
    fromMs: now - 2 * DAY_MS,
    toMs: validity === "valid" ? now + 2 * DAY_MS : now - DAY_MS,
    extension: alternativeName(subject),
  })
}
