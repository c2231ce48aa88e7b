import { Agent } from "node:http"
import { setTimeout } from "node:timers/promises"
import { StreamClient } from "../support/StreamClient.ts"
import { endOf } from "../support/StreamHistory.ts"
import { type Ask, makeAsk } from "./asks.ts"
import { Random } from "./Random.ts"

/** One HTTP request that may have reached a gateway, and what its client saw of it. */
export interface Send {
  readonly ask: Ask
  /** Epoch milliseconds. */
  readonly sentAt: number
  readonly endedAt: number
  /** 0: there was no response. */
  readonly status: number
  /** Undefined: there was no response. A replay has the id of the run it repeats. */
  readonly requestId: string | undefined
  readonly ending: "delivered" | "refused" | "broken" | "cut" | "left"
  /** Of a refusal. */
  readonly code: string | undefined
  readonly replayed: boolean
  readonly text: string
}

/** Codes of answers that come before anybody is known, and so have no row. */
const NOBODY = new Set(["auth_unavailable", "overloaded"])

export const hasRow = ({ code }: Send): boolean => code === undefined || !NOBODY.has(code)

const PATIENCE_MS = 25_000

const LAST_ANSWERS_MS = 1_500

/**
 * A load of HTTP clients that follow the gateways through their deaths: each asks, reads its answer to the end or goes
 * away, and asks the next thing. One with an Idempotency-Key asks again for as long as it makes sense.
 */
export class Clients {
  readonly sends: Array<Send> = []
  /** Answers that their clients have whole. */
  delivered = 0
  readonly #seed: number
  readonly #urls: ReadonlyArray<string>
  readonly #keys: ReadonlyArray<string>
  readonly #agent = new Agent({ keepAlive: true })
  readonly #workers: ReadonlyArray<Promise<void>>
  readonly #open = new Set<StreamClient>()
  #next = 0
  #stopped = false

  constructor(options: {
    readonly seed: number
    readonly urls: ReadonlyArray<string>
    readonly keys: ReadonlyArray<string>
    readonly clients: number
  }) {
    this.#seed = options.seed
    this.#urls = options.urls
    this.#keys = options.keys
    this.#workers = Array.from({ length: options.clients }, () => this.#work())
  }

  get asks(): number {
    return this.#next
  }

  /** Nobody asks anything new; whoever then still waits, for a claim of the dead for instance, soon goes away. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.race([Promise.all(this.#workers), setTimeout(LAST_ANSWERS_MS)])
    for (const client of this.#open) client.leave()
    await Promise.all(this.#workers)
    this.#agent.destroy()
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const ask = makeAsk(this.#seed, this.#next++)
      const random = new Random(this.#seed, ask.number, 3)
      await setTimeout(random.between(0, 100))
      await Promise.all([
        this.#see(ask, random.between(0, 99)),
        ask.doubled && this.#see(ask, random.between(0, 99)),
      ])
    }
  }

  /** One client and its ask, to its end. */
  async #see(ask: Ask, first: number): Promise<void> {
    const key = this.#keys[ask.number % this.#keys.length] ?? ""
    for (let tries = 0; tries < 8; ) {
      const url = this.#urls[(first + tries) % this.#urls.length] ?? ""
      const send = await this.#send(ask, url, key)
      if (send !== undefined) {
        tries += 1
        this.sends.push(send)
        if (send.ending === "delivered") this.delivered += 1
        if (!goesOn(send, tries)) return
      }
      if (this.#stopped) return
      await setTimeout(send === undefined ? 30 : 500)
    }
  }

  /** Undefined: nobody listened. */
  async #send(ask: Ask, url: string, key: string): Promise<Send | undefined> {
    const sentAt = Date.now()
    const client = new StreamClient({
      url,
      path: ask.path,
      key,
      body: ask.body,
      agent: this.#agent,
      headers: ask.headers,
    })
    const refused = client.head.then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
    )
    const over = new AbortController()
    const leaveAfter = (ms: number) =>
      setTimeout(ms, undefined, { signal: over.signal }).then(
        () => client.leave(),
        () => {},
      )
    if (typeof ask.leaves === "number") void leaveAfter(ask.leaves)
    else void leaveAfter(PATIENCE_MS)
    if (ask.leaves === "first bytes") {
      client
        .until(({ bytes, ending }) => bytes > 0 || ending !== undefined, 2 * PATIENCE_MS)
        .then(() => client.leave())
    }
    this.#open.add(client)
    await client.ended
    this.#open.delete(client)
    over.abort()
    if (await refused) return undefined
    const { status, headers, ending, text } = client
    return {
      ask,
      sentAt,
      endedAt: Date.now(),
      status,
      requestId: status === 0 ? undefined : client.requestId,
      ending: ending === "left" ? "left" : ending === "cut" ? "cut" : endingOf(client),
      code: status >= 400 ? codeOf(text) : undefined,
      replayed: headers["idempotent-replayed"] !== undefined,
      text,
    }
  }
}

/** Whoever died over a key blocks it for the length of a lease: some wait for that, most have better things to do. */
const goesOn = ({ ask, ending, status }: Send, tries: number): boolean =>
  ask.idempotencyKey !== undefined &&
  (ending === "cut" ||
    ending === "broken" ||
    status >= 500 ||
    (status === 409 && (tries < 2 || ask.number % 5 === 0)))

const endingOf = ({ status, streamed, text }: StreamClient): Send["ending"] => {
  if (status !== 200) return "refused"
  if (!streamed) return "delivered"
  const end = endOf(text)
  return end === "done" ? "delivered" : end === "error" ? "broken" : "cut"
}

/** Of either kind of error; undefined when it did not arrive whole. */
const codeOf = (text: string): string | undefined => {
  try {
    const body = JSON.parse(text)
    return body.error?.code ?? body.code
  } catch {
    return undefined
  }
}
