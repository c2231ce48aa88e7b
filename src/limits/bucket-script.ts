import { Redis } from "effect/persistence"
import { WINDOW_MS } from "./bucket-store.ts"

/** A request for one token of the bucket that all replicas share. */
export interface SharedRequest {
  readonly key: string
  readonly limit: number
  readonly refillMs: number
  /** Tokens that are in use at least, as far as the asking replica knows. */
  readonly usedAtLeast: number
  /** Name of the asking replica, if it is to be counted as living for the next minute. */
  readonly replica: string | undefined
}

/** `[1 if it was given, tokens in use after it, requests counted for the bucket, replicas that live]`. */
export type SharedAnswer = readonly [given: number, used: string, asked: number, replicas: number]

/**
 * Takes one token from the bucket in Redis, by Redis' clock. A bucket there never holds more than the asking replica
 * knows to be possible: whatever Redis lost (by a restart, FLUSHALL, an eviction, a failover, a step of its clock) the
 * first replica that asks brings back, and what replicas admitted without Redis arrives in the same way. A maximum is the
 * same however often and in whatever order it is taken, so replicas that correct at once correct once.
 */
export const takeShared = Redis.script(
  ({ key, limit, refillMs, usedAtLeast, replica }: SharedRequest) => [
    `gateway:bucket:${key}:${limit}`,
    "gateway:replicas",
    limit,
    refillMs,
    usedAtLeast,
    WINDOW_MS,
    replica ?? "",
  ],
  {
    numberOfKeys: 2,
    // A bucket that nobody asked for a minute is full. Seventeen digits round-trip a double.
    lua: `
local limit, refill_ms, used_at_least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local window_ms, replica = tonumber(ARGV[4]), ARGV[5]
local time = redis.call("TIME")
local now = time[1] * 1000 + time[2] / 1000

local bucket = redis.call("HMGET", KEYS[1], "used", "at", "asked")
local used = 0
if bucket[1] then
  used = math.max(0, tonumber(bucket[1]) - math.max(0, now - tonumber(bucket[2])) / refill_ms)
end
used = math.max(used, math.min(used_at_least, limit))
local given = 0
if used + 1 <= limit + 1e-9 then
  given = 1
  used = used + 1
end
local asked = 1
if bucket[3] then asked = bucket[3] + 1 end
local used_text = string.format("%.17g", used)
redis.call("HSET", KEYS[1], "used", used_text, "at", string.format("%.17g", now), "asked", asked)
redis.call("PEXPIRE", KEYS[1], window_ms)

if replica ~= "" then
  redis.call("ZADD", KEYS[2], now, replica)
  redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", now - window_ms)
  redis.call("PEXPIRE", KEYS[2], window_ms)
end
return { given, used_text, asked, redis.call("ZCARD", KEYS[2]) }
`,
  },
).withReturnType<SharedAnswer>()
