/**
 * Shows on a running gateway that duplicates of one request are answered by one run. Sends nothing but the calls
 * below to the given URL, and costs one real inference call per round.
 */
import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"

const HELP = `Usage: npm run verify:idempotency -- --key KEY [options]

Sends N identical requests at once, each round with a new Idempotency-Key, and checks that one of them ran and that
every answer is the same, byte for byte.

  --key KEY            API key (printed by the first npm start, or by: npm run gateway -- keys create --name test)
  --url URL            gateway, default http://127.0.0.1:8000
  --n N                parallel duplicates, default 20
  --rounds N           default 3
  --admin-token JWT    also check the recorded upstream attempts (npm run gateway -- admin token)
  --help

Exit code: 0 when everything held, 1 when something did not, 2 on wrong usage.
`

/** A call that keeps being told to come back is given up after this long. */
const PATIENCE_MS = 90_000

interface Options {
  readonly url: string
  readonly key: string
  readonly n: number
  readonly rounds: number
  readonly adminToken: string | undefined
}

interface Answer {
  readonly status: number
  readonly replayed: boolean
  readonly body: Buffer
  /** How often the gateway asked for a retry before. */
  readonly retries: number
}

const usage = (message: string): never => {
  process.stderr.write(`${message}\n\n${HELP}`)
  process.exit(2)
}

const parseCommandLine = () =>
  parseArgs({
    options: {
      url: { type: "string", default: "http://127.0.0.1:8000" },
      key: { type: "string" },
      n: { type: "string", default: "20" },
      rounds: { type: "string", default: "3" },
      "admin-token": { type: "string" },
      help: { type: "boolean", default: false },
    },
  }).values

const readOptions = (): Options => {
  let values: ReturnType<typeof parseCommandLine>
  try {
    values = parseCommandLine()
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
  if (values.help) {
    process.stdout.write(HELP)
    process.exit(0)
  }
  const count = (name: string, value: string, max: number): number =>
    /^\d+$/.test(value) && Number(value) >= 1 && Number(value) <= max
      ? Number(value)
      : usage(`--${name} is a whole number from 1 to ${max}.`)
  return {
    url: URL.canParse(values.url) ? values.url.replace(/\/+$/, "") : usage("--url is not a URL."),
    key: values.key ?? usage("--key is missing."),
    n: count("n", values.n, 1000),
    rounds: count("rounds", values.rounds, 100),
    adminToken: values["admin-token"],
  }
}

let failed = 0
const check = (held: boolean, message: string) => {
  if (!held) failed++
  process.stdout.write(`  ${held ? "ok  " : "FAIL"}  ${message}\n`)
}

/** One call as a careful client makes it: asked to come back, it does, with the same key and the same bytes. */
const infer = async (options: Options, idempotencyKey: string, body: string): Promise<Answer> => {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (let retries = 0; ; retries++) {
    const response = await fetch(`${options.url}/infer`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-api-key": options.key,
        "idempotency-key": `"${idempotencyKey}"`,
      },
      body,
    })
    const answer: Answer = {
      status: response.status,
      replayed: response.headers.get("idempotent-replayed") === "true",
      body: Buffer.from(await response.arrayBuffer()),
      retries,
    }
    const final = response.headers.get("x-should-retry") === "false"
    const retryable = !final && (answer.status === 409 || answer.status === 429 || answer.status >= 500)
    const waitMs = 1000 * Number(response.headers.get("retry-after") ?? 1)
    if (!retryable || performance.now() + waitMs > giveUpAt) return answer
    await sleep(waitMs)
  }
}

const field = (body: Buffer, name: string): unknown => {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined
  } catch {
    return undefined
  }
}

const tally = (values: ReadonlyArray<string | number>): string =>
  [...Map.groupBy(values, (value) => value)].map(([value, all]) => `${all.length} x ${value}`).join(", ")

const verifyRound = async (options: Options) => {
  const idempotencyKey = randomUUID()
  const startedAt = new Date(Date.now() - 60_000).toISOString()
  const body = JSON.stringify({ model: "auto", prompt: `Say hello to ${idempotencyKey}.` })

  const answers = await Promise.all(
    Array.from({ length: options.n }, () => infer(options, idempotencyKey, body)),
  )
  const [first] = answers
  if (first === undefined) return
  if (first.status === 401 || first.status === 403) {
    return check(false, `the gateway refused the key: ${first.status} ${first.body.toString()}`)
  }
  check(
    answers.every(({ status }) => status === 200),
    `statuses: ${tally(answers.map(({ status }) => status))}`,
  )
  check(
    answers.every((answer) => answer.body.equals(first.body)),
    `${new Set(answers.map((answer) => answer.body.toString("base64"))).size} distinct body (${first.body.length} bytes)`,
  )
  const ids = new Set(answers.map((answer) => field(answer.body, "request_id")))
  check(ids.size === 1 && !ids.has(undefined), `${ids.size} request_id: ${[...ids].join(", ")}`)
  const ran = answers.filter(({ replayed }) => !replayed).length
  const retries = answers.reduce((sum, answer) => sum + answer.retries, 0)
  check(
    ran === 1,
    `${ran} ran, ${answers.length - ran} with Idempotent-Replayed, ${retries} retries asked for`,
  )

  const replay = await infer(options, idempotencyKey, body)
  check(replay.replayed && replay.body.equals(first.body), "asked again afterwards: the same bytes, replayed")

  const other = await infer(options, idempotencyKey, `${body} `)
  check(
    other.status === 422,
    `one byte more under the same key: ${other.status} ${field(other.body, "code")}`,
  )

  if (options.adminToken !== undefined) {
    await verifyRecorded(options, options.adminToken, startedAt, first)
  }
}

/** The request must have one row, with the attempts its answer tells of. Rows arrive in batches: wait for it. */
const verifyRecorded = async (options: Options, token: string, from: string, answer: Answer) => {
  const id = field(answer.body, "request_id")
  const expected = field(answer.body, "attempts")
  for (let tries = 0; tries < 20; tries++) {
    const rows = await recordedRequests(options, token, from)
    if (rows === undefined) return
    const own = rows.filter((row) => Reflect.get(row, "request_id") === id)
    const attempts = own.map((row) => Reflect.get(row, "attempts"))
    if (own.length > 0) {
      return check(
        own.length === 1 && attempts[0] === expected,
        `recorded: ${own.length} row, ${attempts.join("+")} upstream attempt (the answer says ${expected})`,
      )
    }
    await sleep(500)
  }
  check(false, `recorded: no row for ${id} within 10 s`)
}

/** Every row since `from`, page by page. */
const recordedRequests = async (options: Options, token: string, from: string) => {
  const rows: Array<object> = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ from, ...(cursor === undefined ? {} : { cursor }) })
    const response = await fetch(`${options.url}/analytics/requests?${query}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const body = Buffer.from(await response.arrayBuffer())
    const data = field(body, "data")
    if (response.status !== 200 || !Array.isArray(data)) {
      check(false, `/analytics/requests: ${response.status} ${body.toString().slice(0, 200)}`)
      return undefined
    }
    rows.push(...data)
    const next = field(body, "next_cursor")
    cursor = typeof next === "string" ? next : undefined
  } while (cursor !== undefined)
  return rows
}

const main = async () => {
  const options = readOptions()
  process.stdout.write(`${options.url}: ${options.rounds} rounds of ${options.n} duplicates at once\n`)
  for (let round = 1; round <= options.rounds; round++) {
    process.stdout.write(`round ${round}\n`)
    await verifyRound(options)
  }
  process.stdout.write(failed === 0 ? "Held.\n" : `${failed} checks failed.\n`)
  process.exitCode = failed === 0 ? 0 : 1
}

main().catch((error: unknown) => {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ""
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}${cause}\n`)
  process.exitCode = 1
})
