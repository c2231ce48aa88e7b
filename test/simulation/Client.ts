import type { Readable } from "node:stream"
import { Effect, Exit, type Fiber, Random, Result } from "effect"
import type { Principal } from "../../src/auth/Principal.ts"
import type { Budget } from "../../src/domain/Budget.ts"
import { GatewayError } from "../../src/domain/GatewayError.ts"
import type { InferenceExchange } from "../../src/http/InferenceEndpoints.ts"
import type { StreamWriter } from "../../src/http/StreamedResponse.ts"
import type { IdempotentReply } from "../../src/idempotency/claimed-run.ts"
import type { Outcome } from "../../src/inference/Outcome.ts"
import { ReplayableBody } from "../../src/responses/ReplayableBody.ts"
import { Dice } from "../fuzz/Dice.ts"
import { ask } from "../routing/world.ts"
import { principalOf } from "../support/principal-of.ts"
import { START_MS } from "../support/started-clock.ts"
import type { VirtualTime } from "../support/virtual-time.ts"
import type { Gateway } from "./gateway.ts"
import { type Process, randomOf } from "./Process.ts"
import { event } from "./Upstream.ts"
import type { ClientName, Visit, World } from "./World.ts"

export const principals: Readonly<Record<ClientName, Principal>> = {
  usual: principalOf("AAAAAAAAAAAA", { name: "usual" }),
  other: principalOf("DDDDDDDDDDDD", { name: "other" }),
  limited: principalOf("BBBBBBBBBBBB", { name: "limited", limits: { requestsPerMinute: 5 } }),
  narrow: principalOf("CCCCCCCCCCCC", { name: "narrow", models: new Set(["auto"]) }),
  thrifty: principalOf("EEEEEEEEEEEE", { name: "thrifty" }),
  wealthy: principalOf("FFFFFFFFFFFF", { name: "wealthy" }),
  one: principalOf("GGGGGGGGGGGG", { name: "one", tags: ["both"] }),
  another: principalOf("HHHHHHHHHHHH", { name: "another", tags: ["both"] }),
}

/** A client of a world with the budgets of its key. */
export const principalIn = ({ budgets }: World, name: ClientName): Principal => {
  const principal = principals[name]
  const own =
    budgets?.all.filter(({ scope, subject }) => scope === "key" && subject === principal.keyId) ?? []
  return own.length === 0 ? principal : { ...principal, budgets: own }
}

/** Every budget that a client's requests count against. */
export const budgetsOf = ({ budgets }: World, name: ClientName): ReadonlyArray<Budget> => {
  const { keyId, tags } = principals[name]
  return (
    budgets?.all.filter(
      ({ scope, subject }) =>
        scope === "gateway" || (scope === "key" ? subject === keyId : tags.includes(subject)),
    ) ?? []
  )
}

/**
 * How a visit ended for its client: with a whole answer, with an error in its stead or at its end, by the client itself,
 * by the gateway's death, or before it reached one.
 */
type Ending = "delivered" | "refused" | "broken" | "left" | "cut" | "unreached"

/** What one client saw, and what the gateway let be seen of it. All times count from the start of the world. */
export interface Sight {
  readonly visit: Visit
  /** Name of the process that it came to. */
  process: string | undefined
  authenticated: boolean
  /** When its body had arrived, and made sense. */
  understoodAtMs: number | undefined
  /** When the head of the answer came. */
  headAtMs: number | undefined
  status: number | undefined
  code: GatewayError["code"] | undefined
  retryAfterMs: number | undefined
  replayed: boolean
  text: string
  ending: Ending | undefined
  endedAtMs: number | undefined
  /** The claim had its answer when this client had it as a whole. */
  stored: boolean
  /** What is wrong with the times that its answer says. */
  untimely: string | undefined
  /** A defect that came out of the gateway instead of an answer. */
  defect: string | undefined
}

const writer: StreamWriter = {
  headers: () => ({}),
  needsText: false,
  chunk: (chunk) => (chunk.usageOnly ? undefined : chunk.event),
  end: ({ result }) => event(Result.isSuccess(result) ? "[DONE]" : `error ${result.failure.code}`),
}

/** Says what is wrong with the times of an outcome's phases. */
const untimely = ({ attempts, latencyMs, timings }: Outcome): string | undefined => {
  const { authMs, routeMs, upstreamMs } = timings
  const attemptsMs = attempts.reduce((sum, attempt) => sum + attempt.latencyMs, 0)
  if (upstreamMs !== attemptsMs) return `${upstreamMs} ms upstream, in attempts of ${attemptsMs} ms`
  // Two at once take no longer than the longer one.
  const ends = attempts.map(({ latencyMs, startedAt }) => startedAt + latencyMs)
  const firstMs = Math.min(...attempts.map(({ startedAt }) => startedAt))
  const waitedMs = attempts.length === 0 ? 0 : Math.min(upstreamMs, Math.max(...ends) - firstMs)
  if (latencyMs < authMs + routeMs + waitedMs) return `phases that are longer than all of its ${latencyMs} ms`
  return authMs < 0 || routeMs < 0 ? "a phase that ends before it begins" : undefined
}

const LAST = /data: (?:\[DONE\]|error (\w+))\n\n$/

/** One visit to a gateway, from its first byte to its last. */
export class Client {
  readonly sight: Sight
  readonly #time: VirtualTime
  readonly #process: Process
  readonly #isStored: () => boolean
  readonly #reads: Visit["reads"]
  readonly #whenOver: Array<() => void> = []
  #fiber: Fiber.Fiber<unknown> | undefined
  #reader: Readable | undefined
  /** Ends the gateway's side of a streamed answer. */
  #release: (() => void) | undefined

  /** `isStored` tells whether its claim has an answer. */
  constructor(visit: Visit, time: VirtualTime, process: Process, sight: Sight, isStored: () => boolean) {
    this.sight = sight
    this.#isStored = isStored
    this.#time = time
    this.#process = process
    this.#reads = visit.reads
    sight.process = process.name
  }

  /** Has its connection cut by a gateway that stops. */
  cut(): void {
    if (this.sight.ending === undefined) this.#end("cut")
    this.#reader?.destroy()
    this.#process.soon(() => this.#fiber?.interruptUnsafe())
  }

  send(gateway: Gateway): void {
    const { visit } = this.sight
    const served = Effect.flatMap(gateway.endpoints.serve(this.#exchange()), (reply) =>
      this.#answer(reply),
    ).pipe(
      Effect.catch((error) => Effect.sync(() => this.#refused(error))),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.hasDies(exit)) this.sight.defect = String(exit)
          for (const action of this.#whenOver) action()
        }),
      ),
      Effect.provideService(Random.Random, randomOf(new Dice(`${this.#process.name} ${visit.id}`, 0))),
    )
    this.#fiber = this.#process.fork(served)
    this.#process.whenDead(() => this.#end("cut"))
    if (visit.leavesAfterMs !== undefined) {
      this.#time.at(this.#time.nowMs + visit.leavesAfterMs, () => {
        if (this.sight.ending !== undefined) return
        this.#end("left")
        this.#reader?.destroy()
        this.#process.soon(() => this.#fiber?.interruptUnsafe())
      })
    }
  }

  #exchange(): InferenceExchange {
    const { sight } = this
    const { visit } = sight
    const write = (outcome: Outcome) => {
      const { attemptCount, candidate, requestId, result } = outcome
      if (requestId === visit.id) sight.untimely = untimely(outcome)
      if (Result.isFailure(result)) this.#failed(requestId, result.failure)
      const status = Result.isSuccess(result) ? 200 : result.failure.status
      const code = Result.isSuccess(result) ? null : result.failure.code
      return {
        status,
        headers: {},
        body: JSON.stringify({ requestId, code, attemptCount, by: candidate?.key ?? null }),
      }
    }
    return {
      requestId: visit.id,
      endpoint: "/infer",
      credential: Result.succeed(visit.id),
      whenOver: (action) => void this.#whenOver.push(action),
      turnedAway: () => {},
      refuse: write,
      read: (takeBytes) =>
        Effect.gen({ self: this }, function* () {
          yield* Effect.sleep(visit.uploadMs)
          const room = takeBytes(visit.promptTokens * 4)
          if (Result.isFailure(room)) return yield* room.failure
          if (!visit.readable) return yield* new GatewayError({ code: "invalid_json", detail: "" })
          sight.understoodAtMs = this.#nowMs()
          const { claim, dryRun, model } = visit
          return {
            call: {
              requestedModel: model,
              task: {
                _tag: "Chat" as const,
                request: ask(
                  (visit.conversation ?? "hello").padEnd(visit.spelled ? visit.promptTokens * 4 : 0),
                  {
                    user: visit.id,
                    ...(visit.maxTokens === undefined ? {} : { max_tokens: visit.maxTokens }),
                    ...(visit.answerTokens % 3 === 0 ? { temperature: 1 } : {}),
                  },
                ),
                mode: visit.stream ? ("stream" as const) : ("whole" as const),
              },
              stream: visit.stream && !dryRun ? writer : undefined,
              dryRun,
              write,
            },
            deadlineMs: visit.deadlineMs,
            session: visit.conversation,
            claim: claim && { key: claim.key, fingerprint: Uint8Array.of(claim.body) },
          }
        }),
    }
  }

  /** Notes why this very request failed; another one's failure may be replayed to it. */
  #failed(requestId: string, { code, retryAfterMs }: GatewayError): void {
    if (requestId !== this.sight.visit.id) return
    this.sight.code = code
    this.sight.retryAfterMs = retryAfterMs
  }

  #refused(error: GatewayError): void {
    this.sight.status = error.status
    this.#failed(this.sight.visit.id, error)
    this.sight.headAtMs = this.#nowMs()
    this.#end("refused")
  }

  #answer({ replayed, response }: IdempotentReply): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { sight } = this
      if (sight.ending !== undefined) return Effect.void
      sight.headAtMs = this.#nowMs()
      sight.status = response.status
      sight.replayed = replayed
      const { body } = response
      if (!(body instanceof ReplayableBody)) {
        const text = Buffer.from(body).toString()
        const streamed = LAST.exec(text)
        sight.text = text
        this.#end(response.status >= 400 ? "refused" : streamed?.[1] === undefined ? "delivered" : "broken")
        return Effect.void
      }
      return Effect.callback<void>((resume) => {
        this.#release = () => this.#process.soon(() => resume(Effect.void))
        this.#read(body)
      })
    })
  }

  #read(body: ReplayableBody): void {
    const reader = body.read()
    this.#reader = reader
    reader.on("error", () => {})
    const reads = this.#reads
    if (reads !== undefined) {
      const next = () => {
        if (this.sight.ending !== undefined) return
        reader.read(0)
        const bytes = Math.min(reads.bytes, reader.readableLength)
        if (bytes > 0) this.#take(reader.read(bytes))
        this.#time.at(this.#time.nowMs + reads.everyMs, next)
      }
      next()
      return
    }
    reader.on("data", (chunk: Buffer) => this.#take(chunk))
    while (reader.read() !== null) {}
  }

  #take(chunk: Buffer): void {
    const { sight } = this
    if (sight.ending !== undefined) return
    sight.text += chunk.toString()
    const last = LAST.exec(sight.text.slice(-100))
    if (last === null) return
    if (last[1] !== undefined) sight.code = last[1] as GatewayError["code"]
    this.#end(last[1] === undefined ? "delivered" : "broken")
    this.#release?.()
  }

  #end(ending: Ending): void {
    const { sight } = this
    if (sight.ending !== undefined) return
    sight.ending = ending
    sight.stored = ending === "delivered" && this.#isStored()
    sight.endedAtMs = this.#nowMs()
  }

  #nowMs(): number {
    return this.#time.nowMs - START_MS
  }
}
