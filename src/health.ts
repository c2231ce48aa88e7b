import { get } from "node:http"
import { isIPv6 } from "node:net"

/**
 * Third front door, for what watches a container: ends with 0 when the gateway of `HOST` and `PORT` says at `/readyz`
 * that it may be asked, else with 1 and a line that says why. It loads nothing else of the gateway, since it is started every few
 * seconds: a command of `cli.ts` would take a second of the processor each time.
 */

const LIMIT_MS = 2_000

/** What listens on every address is asked at the one that is always this machine's own. */
const LOOPBACK: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "[::]": "[::1]" }

/** An empty setting is unset, as for the gateway. */
const setting = (name: string, unset: string): string => process.env[name]?.trim() || unset

const host = setting("HOST", "127.0.0.1")
const url = new URL("http://127.0.0.1/readyz")
// Brings an address into its one spelling: `0` and `0:0::0` are wildcards too.
url.hostname = isIPv6(host) ? `[${host}]` : host
url.hostname = LOOPBACK[url.hostname] ?? url.hostname
url.port = setting("PORT", "8000")

const end = (code: number, why: string): never => {
  process.stderr.write(`${url.href}: ${why}\n`)
  process.exit(code)
}

get(url, { agent: false, signal: AbortSignal.timeout(LIMIT_MS) }, async (response) => {
  try {
    response.setEncoding("utf8")
    let body = ""
    for await (const text of response) body += text
    end(response.statusCode === 200 ? 0 : 1, `${response.statusCode} ${body}`)
  } catch (error) {
    failed(error)
  }
}).on("error", (error) => failed(error))

const failed = (error: unknown) =>
  end(
    1,
    error instanceof Error && error.name === "AbortError" ? `no answer within ${LIMIT_MS} ms` : String(error),
  )
