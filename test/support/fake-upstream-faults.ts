import { type Behaviour, type Good, said, stream } from "./fake-upstream-behaviours.ts"
import { goodEvents } from "./fake-upstream-wire.ts"

/** Good streams that wait in their middle until they are all told to go on. */
export class HeldStreams {
  waiting = 0
  #goOn: Array<() => void> = []

  readonly behaviour =
    (options: Good = {}): Behaviour =>
    (exchange) => {
      const events = goodEvents(exchange.asked, said(exchange, options))
      stream(exchange, events.slice(0, 2), {}, () => {
        this.waiting += 1
        this.#goOn.push(() => {
          this.waiting -= 1
          for (const event of events.slice(2)) {
            exchange.response.write(event)
            exchange.streamed(event)
          }
          exchange.response.end()
        })
      })
    }

  release(): void {
    const all = this.#goOn
    this.#goOn = []
    for (const goOn of all) goOn()
  }
}
