/** Owns the token buckets of this process: what of each is in use, and how much of its key's traffic comes here. */

/** What a bucket refills completely in. */
export const WINDOW_MS = 60_000

interface Bucket {
  /** Tokens in use as of `atMs`, fractions included: 0 is a full bucket, more than its limit a debt. */
  used: number
  atMs: number
  /** Requests of the last minute or so: those that came here, and those that came anywhere. */
  own: number
  all: number
  /** The key's requests as Redis last counted them, as of `countedAtMs`; null = never heard. */
  asked: number | null
  countedAtMs: number
}

/** What came of a request for a token. */
export interface Taken {
  /** Tokens in use after it. */
  readonly used: number
  /** Tokens that must come back before it can be given; null = it was given. */
  readonly lacking: number | null
}

/** Fractions of a token that sums of floating point numbers may be wrong by. */
const EPSILON = 1e-9

/** Buckets removed by one call: more than it adds, so the map shrinks; few enough that no call is slow. */
const REMOVALS_PER_CALL = 8

/** Buckets kept at most: far more than keys send within one minute; about 30 MB when full. */
const MAX_BUCKETS = 100_000

export const refillMs = (limit: number): number => WINDOW_MS / limit

/**
 * Makes a bounded store of buckets: the map is kept in order of last use, and each call removes from its old end those
 * that are full again and were not asked for a minute. Such a bucket equals none, so this loses nothing. Only above the
 * cap a bucket goes early, in favour of its key.
 */
export const makeBucketStore = (maxBuckets: number = MAX_BUCKETS) => {
  const buckets = new Map<string, { readonly limit: number; readonly bucket: Bucket }>()

  const removeOld = (nowMs: number): void => {
    let removals = 0
    for (const [name, { limit, bucket }] of buckets) {
      const keptMs = Math.max(WINDOW_MS, bucket.used * refillMs(limit))
      if (bucket.atMs + keptMs > nowMs && buckets.size <= maxBuckets) return
      buckets.delete(name)
      removals += 1
      if (removals === REMOVALS_PER_CALL) return
    }
  }

  return {
    size: () => buckets.size,

    /** The key's bucket as of now. A changed limit holds at once, with a bucket of its own. */
    bucketOf: (key: string, limit: number, nowMs: number): Bucket => {
      const name = `${key}:${limit}`
      const entry = buckets.get(name) ?? { limit, bucket: newBucket(nowMs) }
      // Redis' answer to a request is as of when that was sent, and may be noted after a later one's.
      const passedMs = Math.max(0, nowMs - entry.bucket.atMs)
      entry.bucket.used = Math.max(0, entry.bucket.used - passedMs / refillMs(limit))
      entry.bucket.atMs = nowMs
      buckets.delete(name)
      buckets.set(name, entry)
      removeOld(nowMs)
      return entry.bucket
    },
  }
}

const newBucket = (nowMs: number): Bucket => ({
  used: 0,
  atMs: nowMs,
  own: 0,
  all: 0,
  asked: null,
  countedAtMs: nowMs,
})

/**
 * Takes a token, without Redis. A replica that gets `share` of the key's requests books 1/share tokens for each that it
 * admits: the others are taken to admit the rest. So the bucket goes on to say what all of them have used, and together
 * they admit what one bucket would.
 */
export const takeAlone = (bucket: Bucket, limit: number, share: number): Taken => {
  // Where one booking is more than the whole bucket, a full one must do, and the rest is a debt: nobody is locked out.
  const lacking = bucket.used + Math.min(1 / share, limit) - limit
  if (lacking > EPSILON) return { used: bucket.used, lacking }
  bucket.used += 1 / share
  return { used: bucket.used, lacking: null }
}

/** Notes what Redis said: `used` tokens as of `atMs`, after `asked` requests for them. */
export const noteShared = (bucket: Bucket, used: number, asked: number, atMs: number): void => {
  if (bucket.asked !== null) {
    const kept = Math.exp(-Math.max(0, atMs - bucket.countedAtMs) / WINDOW_MS)
    // A count that did not grow began anew, in a Redis that lost it.
    const since = asked > bucket.asked ? asked - bucket.asked : asked
    bucket.own = bucket.own * kept + 1
    bucket.all = bucket.all * kept + since
  }
  bucket.asked = asked
  bucket.countedAtMs = atMs
  bucket.used = used
  bucket.atMs = atMs
}

/** The share of the key's requests that come here, as seen until now; where nothing was seen, an equal one. */
export const shareOf = (bucket: Bucket, replicas: number): number =>
  (bucket.own + 1 / replicas) / (bucket.all + 1)
