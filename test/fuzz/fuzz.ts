import { connect, type Socket } from "node:net"
import { type Answer, AnswerReader, faultOf } from "./answers.ts"
import { type FuzzCase, type FuzzOptions, makeCase } from "./cases.ts"

interface FuzzRun extends FuzzOptions {
  readonly url: string
  readonly first: number
  readonly count: number
  /** After which a request without an answer hangs. */
  readonly patienceMs: number
}

export interface FuzzFault {
  readonly index: number
  readonly what: string
  readonly bytes: Buffer
}

interface FuzzReport {
  readonly faults: ReadonlyArray<FuzzFault>
  readonly answered: number
  /** Connections that ended instead of an answer. */
  readonly closed: number
  readonly statuses: ReadonlyMap<number, number>
}

/** Requests on one connection, one behind the other. */
const BATCH = 16
const CONNECTIONS = 64
/** A request whose end is in doubt may wait for more: then its client stops sending. */
const SILENCE_MS = 25
const MAX_FAULTS = 20

/** Sends cases to a gateway, many at a time, and judges what comes back. */
export const fuzz = async (run: FuzzRun): Promise<FuzzReport> => {
  const faults: Array<FuzzFault> = []
  const statuses = new Map<number, number>()
  let answered = 0
  let closed = 0
  const secrets = [run.apiKey, run.adminToken]
  const fault = ({ bytes, index }: FuzzCase, what: string) => void faults.push({ index, what, bytes })
  const judge = (each: FuzzCase, method: string, answer: Answer) => {
    answered++
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    const what = faultOf(each, answer, method, secrets)
    if (what !== undefined) fault(each, what)
  }

  /** Sends cases together. Returns those behind the one with which the gateway ended the connection. */
  const sendFramed = async (batch: ReadonlyArray<FuzzCase>): Promise<ReadonlyArray<FuzzCase>> => {
    let at = 0
    const connection = new Connection(run.url, (what) => {
      const each = batch[at]
      if (each !== undefined) fault(each, what)
    })
    connection.send(Buffer.concat(batch.map(({ bytes }) => bytes)))
    await connection.until(run.patienceMs, () => {
      for (let each = batch[at]; each !== undefined; each = batch[at]) {
        const answer = connection.next(each.method)
        if (answer === undefined) return false
        judge(each, each.method, answer)
        at++
      }
      return true
    })
    const each = batch[at]
    if (each !== undefined && !connection.closed) fault(each, "hangs")
    else if (each !== undefined && (at === 0 || connection.halfway)) fault(each, "ended without an answer")
    connection.destroy()
    // Whatever was wrong is told once.
    return each === undefined ? [] : batch.slice(at + (at === 0 || !connection.closed ? 1 : 0))
  }

  const sendBroken = async (each: FuzzCase): Promise<void> => {
    const connection = new Connection(run.url, (what) => fault(each, what))
    connection.send(each.bytes)
    const silent = setTimeout(() => connection.end(), SILENCE_MS)
    let seen = false
    await connection.until(run.patienceMs, () => {
      // The method that the server read may be another, and only a HEAD would be read wrongly.
      const answer = connection.next(/^head /i.test(each.bytes.toString("latin1", 0, 5)) ? "HEAD" : "GET")
      if (answer === undefined) return false
      judge(each, each.method, answer)
      seen = true
      return true
    })
    clearTimeout(silent)
    if (!seen && connection.closed) closed++
    else if (!seen) fault(each, "hangs")
    connection.destroy()
  }

  const framed: Array<FuzzCase> = []
  const broken: Array<FuzzCase> = []
  let next = run.first
  const refill = () => {
    while (next < run.first + run.count && framed.length < BATCH && broken.length < BATCH) {
      const each = makeCase(run, next++)
      if (each.framed) framed.push(each)
      else broken.push(each)
    }
  }
  const work = async () => {
    while (faults.length < MAX_FAULTS) {
      refill()
      const each = broken.pop()
      if (each !== undefined) await sendBroken(each)
      const end = framed.findIndex(({ last }) => last)
      const batch = framed.splice(0, end === -1 ? BATCH : end + 1)
      if (batch.length > 0) framed.unshift(...(await sendFramed(batch)))
      if (each === undefined && batch.length === 0) return
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, work))
  return { faults, answered, closed, statuses }
}

class Connection {
  closed = false
  readonly #socket: Socket
  readonly #reader: AnswerReader
  #changed: () => void = () => {}

  constructor(url: string, fault: (what: string) => void) {
    const { hostname, port } = new URL(url)
    this.#reader = new AnswerReader(fault)
    this.#socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    this.#socket.on("data", (bytes: Buffer) => {
      this.#reader.receive(bytes)
      this.#changed()
    })
    const close = () => {
      this.closed = true
      this.#changed()
    }
    // A reset is an end like any other here.
    this.#socket.on("error", close).on("end", close).on("close", close)
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Sends no more, and still reads. */
  end(): void {
    this.#socket.end()
  }

  next(method: string): Answer | undefined {
    return this.#reader.next(method)
  }

  get halfway(): boolean {
    return this.#reader.halfway
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Waits until it is done, closed, or silent for too long. */
  async until(patienceMs: number, done: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, patienceMs)
    this.#changed = () => {
      timer.refresh()
      if (done() || this.closed) resolve()
    }
    this.#changed()
    await promise
    clearTimeout(timer)
    this.#changed = () => {}
  }
}
