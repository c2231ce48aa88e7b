import {
  type Answer,
  type Ask,
  type Exchange,
  type Exchanged,
  HOLDER_LIFE_MS,
  MAX_DRIFT_MS,
  RECALL_MS,
  WINDOW_MS,
} from "../../src/limits/limit-store.ts"

interface Bucket {
  readonly used: number
  readonly limit: number
  readonly atMs: number
  readonly asked: number
  readonly epoch: number
}

/** The store in TypeScript: what the function of PostgreSQL and the script of Redis say, which tests compare with it. */
export class ModelStore {
  readonly buckets = new Map<string, Bucket>()
  readonly holders = new Map<string, number>()
  /** By bucket, then by holder. */
  readonly permits = new Map<string, Map<string, number>>()
  bornMs: number | undefined

  empty(): void {
    this.buckets.clear()
    this.holders.clear()
    this.permits.clear()
    this.bornMs = undefined
  }

  exchange({ asks, expectedMs, holder, replicas: known, sweeps }: Exchange, nowMs: number): Exchanged {
    const seenMs = this.holders.get(holder)
    const hasBeenGone = seenMs === undefined || Math.abs(nowMs - seenMs) >= HOLDER_LIFE_MS
    this.holders.set(holder, nowMs)
    const replicas = [...this.holders.values()].filter((ms) => Math.abs(nowMs - ms) < WINDOW_MS).length
    const isTimeSet = expectedMs > 0 && Math.abs(nowMs - expectedMs) > MAX_DRIFT_MS
    this.bornMs ??= nowMs
    const isRecalling = nowMs >= this.bornMs && nowMs - this.bornMs < RECALL_MS
    const answers = new Map<string, Answer>()
    for (const ask of asks) {
      const bucket = this.buckets.get(ask.name) ?? {
        used: 0,
        limit: ask.limit,
        atMs: nowMs,
        asked: 0,
        epoch: nowMs,
      }
      const shared = { nowMs, replicas, known, holder, hasBeenGone, isTimeSet, isRecalling }
      answers.set(
        ask.name,
        ask.permits ? this.#permits(ask, bucket, shared) : this.#tokens(ask, bucket, shared),
      )
    }
    if (sweeps) this.#sweep(nowMs)
    return { nowMs, replicas, answers }
  }

  #tokens(ask: Ask, bucket: Bucket, { isTimeSet, nowMs, replicas }: Shared): Answer {
    let used = Math.max(0, bucket.used - (Math.max(0, nowMs - bucket.atMs) * bucket.limit) / WINDOW_MS)
    if (ask.limit < bucket.limit) used = Math.min(used, ask.limit)
    if (ask.epoch !== bucket.epoch || isTimeSet) used = Math.max(used, Math.min(ask.usedAtLeast, ask.limit))
    used = Math.max(0, used - ask.back)
    const free = ask.limit - used + 1e-6
    const granted =
      free >= ask.need
        ? ask.need + Math.min(ask.want - ask.need, Math.floor((free - ask.need) / (2 * replicas)))
        : free >= ask.least
          ? Math.floor(free)
          : 0
    used += granted
    const asked = bucket.asked + ask.asked
    this.buckets.set(ask.name, { used, limit: ask.limit, atMs: nowMs, asked, epoch: bucket.epoch })
    return { granted, used, asked, epoch: bucket.epoch }
  }

  #permits(ask: Ask, bucket: Bucket, shared: Shared): Answer {
    const { hasBeenGone, holder, isRecalling, known, nowMs, replicas } = shared
    const held = this.permits.get(ask.name) ?? new Map<string, number>()
    let others = 0
    for (const [other, count] of held) {
      const seenMs = this.holders.get(other)
      if (other !== holder && seenMs !== undefined && Math.abs(nowMs - seenMs) < HOLDER_LIFE_MS)
        others += count
    }
    const own = hasBeenGone ? 0 : (held.get(holder) ?? 0)
    const left = ask.limit - others
    const free = isRecalling ? Math.min(left, Math.max(1, Math.floor(ask.limit / known))) : left
    const asFree =
      free >= ask.need
        ? ask.need + Math.min(ask.want - ask.need, Math.floor((free - ask.need) / (2 * replicas)))
        : Math.max(ask.least, Math.min(ask.need, free))
    const granted = Math.max(asFree, Math.min(ask.want, own, left))
    if (granted > 0) held.set(holder, granted)
    else held.delete(holder)
    this.permits.set(ask.name, held)
    const asked = bucket.asked + ask.asked
    this.buckets.set(ask.name, {
      used: 0,
      limit: ask.limit,
      atMs: nowMs,
      asked: bucket.asked,
      epoch: bucket.epoch,
    })
    return { granted, used: others + granted, asked, epoch: bucket.epoch }
  }

  #sweep(nowMs: number): void {
    for (const [name, { atMs, limit, used }] of this.buckets) {
      const held = this.permits.get(name)?.size ?? 0
      if (held === 0 && atMs + Math.max(WINDOW_MS, (used * WINDOW_MS) / limit) < nowMs)
        this.buckets.delete(name)
    }
    for (const held of this.permits.values()) {
      for (const holder of held.keys()) {
        const seenMs = this.holders.get(holder)
        if (seenMs === undefined || Math.abs(nowMs - seenMs) >= WINDOW_MS) held.delete(holder)
      }
    }
    for (const [holder, seenMs] of this.holders) {
      if (Math.abs(nowMs - seenMs) >= WINDOW_MS) this.holders.delete(holder)
    }
  }
}

interface Shared {
  readonly nowMs: number
  readonly replicas: number
  readonly known: number
  readonly holder: string
  readonly hasBeenGone: boolean
  readonly isTimeSet: boolean
  readonly isRecalling: boolean
}
