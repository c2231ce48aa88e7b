import type { FromWorker, ToWorker } from "../../platform/Siblings.ts"

/** Who has not answered by then starts, or is busy: what it answered last is taken for it. */
const ANSWER_WITHIN_MS = 1_000

interface Question {
  readonly topic: string
  readonly asker: number
  /** As the asker numbers it. */
  readonly askersId: number
  readonly waiting: Set<number>
  readonly timer: NodeJS.Timeout
}

/** What workers say to each other, passed on by their supervisor. */
export class Relay {
  readonly #send: (worker: number, message: ToWorker) => void
  readonly #merge: (topic: string, answers: ReadonlyArray<unknown>) => unknown
  readonly #workers = new Set<number>()
  readonly #questions = new Map<number, Question>()
  /** The last answer of each worker, by topic. */
  readonly #last = new Map<string, Map<number, unknown>>()
  /** What is left of the answers of those who are gone, by topic. */
  readonly #departed = new Map<string, unknown>()
  #asked = 0

  /** `merge` makes one answer of those of workers that are gone, which counts beside those of the living from then on. */
  constructor(
    send: (worker: number, message: ToWorker) => void,
    merge: (topic: string, answers: ReadonlyArray<unknown>) => unknown,
  ) {
    this.#send = send
    this.#merge = merge
  }

  join(worker: number): void {
    this.#workers.add(worker)
  }

  leave(worker: number): void {
    this.#workers.delete(worker)
    for (const [topic, answers] of this.#last) {
      const last = answers.get(worker)
      if (last === undefined) continue
      answers.delete(worker)
      const departed = this.#departed.get(topic)
      this.#departed.set(topic, this.#merge(topic, departed === undefined ? [last] : [departed, last]))
    }
    for (const [id, question] of this.#questions) {
      if (question.waiting.delete(worker) && question.waiting.size === 0) this.#answer(id, question)
    }
  }

  hear(worker: number, message: FromWorker): void {
    switch (message.gateway) {
      case "tell":
        for (const other of this.#workers) if (other !== worker) this.#send(other, message)
        return
      case "ask":
        this.#ask(worker, message.topic, message.id, message.own)
        return
      case "answer": {
        const question = this.#questions.get(message.id)
        if (question === undefined) return
        this.#note(question.topic, worker, message.body)
        if (question.waiting.delete(worker) && question.waiting.size === 0) this.#answer(message.id, question)
      }
    }
  }

  #ask(asker: number, topic: string, askersId: number, own: unknown): void {
    this.#note(topic, asker, own)
    this.#asked += 1
    const id = this.#asked
    const waiting = new Set(this.#workers)
    waiting.delete(asker)
    const question: Question = {
      ...{ topic, asker, askersId, waiting },
      timer: setTimeout(() => this.#answer(id, question), ANSWER_WITHIN_MS),
    }
    this.#questions.set(id, question)
    if (waiting.size === 0) this.#answer(id, question)
    for (const other of waiting) this.#send(other, { gateway: "question", topic, id })
  }

  #note(topic: string, worker: number, body: unknown): void {
    const answers = this.#last.get(topic) ?? new Map<number, unknown>()
    this.#last.set(topic, answers.set(worker, body))
  }

  #answer(id: number, { asker, askersId, timer, topic }: Question): void {
    clearTimeout(timer)
    this.#questions.delete(id)
    const departed = this.#departed.get(topic)
    const bodies = [...(this.#last.get(topic)?.values() ?? [])]
    this.#send(asker, {
      gateway: "answers",
      id: askersId,
      bodies: departed === undefined ? bodies : [departed, ...bodies],
    })
  }
}
