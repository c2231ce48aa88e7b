import type { Effect } from "effect"

/**
 * What replicas share of their limits, behind one operation. A bucket of requests or tokens is the number of those in use,
 * which falls evenly by the limit in a minute. A bucket of requests in flight is how many each replica holds, in absolute
 * numbers, for as long as the replica is heard of. Time is the store's own.
 */
export interface LimitStore {
  /** Works through all asks of a replica at once, each of another bucket. Fails when the store cannot be reached. */
  readonly exchange: (exchange: Exchange) => Effect.Effect<Exchanged, unknown>
}

export interface Exchange {
  /** Name of the asking replica, heard of with this. */
  readonly holder: string
  /** The store's time as the replica expects it to be; 0 = it expects nothing. Where they differ, the store's was set. */
  readonly expectedMs: number
  /** Replicas of the last minute that the asking one knows of. */
  readonly replicas: number
  /** Old buckets may be removed. */
  readonly sweeps: boolean
  readonly asks: ReadonlyArray<Ask>
}

export interface Ask {
  readonly name: string
  readonly limit: number
  /** Whether it is of requests in flight. Then `least`, `need` and `want` are what the replica is to hold in all. */
  readonly permits: boolean
  /** Tokens that come back before anything is given; below 0 tokens that are in use beyond what was given. */
  readonly back: number
  /** With less than this nothing is of use; of permits what is in flight, which is held whatever the limit says. */
  readonly least: number
  /** What requests wait for. Given if there is as much, else what there is. */
  readonly need: number
  /** The same, and what is to be at hand for the next ones: given as far as half of an equal part of the rest goes. */
  readonly want: number
  /** Tokens that were asked of the replica since it told last. */
  readonly asked: number
  /** Tokens in use at least as far as the replica knows, for a store that does not know itself. */
  readonly usedAtLeast: number
  /** The bucket's epoch as last heard; 0 = the replica knows better than the store. */
  readonly epoch: number
}

export interface Answer {
  readonly granted: number
  /** In use after it, of permits those of all replicas. */
  readonly used: number
  /** Tokens asked of all replicas since the epoch began. */
  readonly asked: number
  /** Another number: the store has forgotten the bucket in between. */
  readonly epoch: number
}

export interface Exchanged {
  readonly nowMs: number
  /** Replicas heard of in the last minute, the asking one included. */
  readonly replicas: number
  /** By the name of the bucket. */
  readonly answers: ReadonlyMap<string, Answer>
}

/** What a bucket of requests or tokens refills completely in, and for how long a replica counts as one of several. */
export const WINDOW_MS = 60_000

/** Permits of a replica that was not heard of for so long are others' again. */
export const HOLDER_LIFE_MS = 10_000

/**
 * Time after which every replica has told an empty store again what it has in flight; before, none gets more than its share, or what
 * it has.
 */
export const RECALL_MS = 2_000

/** By how much the store's time may be off what a replica expects. */
export const MAX_DRIFT_MS = 1_000
