import type { ReportFault } from "./GatewayFile.ts"

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,100}$/

/** No secret stands in the file, and none is compared with it or written down as a name. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "cookie",
])

/** Reports names of header fields that are none, or may not be asked for, or are there twice. */
export const checkHeaderNames = (names: ReadonlyArray<string>, report: ReportFault): void => {
  const seen = new Set<string>()
  for (const name of names) {
    const plain = name.toLowerCase()
    if (!HEADER_NAME.test(name)) report([name], "is not the name of a header field")
    if (CREDENTIALS.has(plain)) report([name], "is a credential, which nothing here may name")
    if (seen.has(plain)) report([name], "repeats an earlier name")
    seen.add(plain)
  }
}
