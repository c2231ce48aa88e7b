import { Redis } from "effect/persistence"
import { type Exchange, HOLDER_LIFE_MS, MAX_DRIFT_MS, RECALL_MS, WINDOW_MS } from "./limit-store.ts"

/** `[time in ms, replicas]`, then for each ask in its order `[granted, used, asked, epoch]`; numbers as text. */
export type ScriptAnswer = ReadonlyArray<ReadonlyArray<string>>

/**
 * The exchange in Redis, by Redis' clock. A bucket there never holds more than the asking replica knows to be possible where
 * Redis has lost its memory (by a restart, FLUSHALL, an eviction, a failover, a step of its clock), or the replica was alone: the
 * first that asks brings it back. A maximum is the same however often and in whatever order it is taken.
 */
export const exchangeScript = Redis.script(
  ({ asks, expectedMs, holder, replicas }: Exchange) => [
    "gateway:limits",
    holder,
    expectedMs,
    replicas,
    JSON.stringify(asks),
  ],
  {
    numberOfKeys: 1,
    // A bucket that nobody asked for a minute is full. Seventeen digits round-trip a double.
    lua: `
local time = redis.call("TIME")
local now = time[1] * 1000 + time[2] / 1000
local prefix, holder = KEYS[1], ARGV[1]
local expected, known = tonumber(ARGV[2]), tonumber(ARGV[3])
local function text(number) return string.format("%.17g", number) end

local holders = prefix .. ":holders"
local seen = redis.call("ZSCORE", holders, holder)
local has_been_gone = not seen or math.abs(now - tonumber(seen)) >= ${HOLDER_LIFE_MS}
redis.call("ZADD", holders, text(now), holder)
redis.call("ZREMRANGEBYSCORE", holders, "-inf", text(now - ${WINDOW_MS}))
redis.call("ZREMRANGEBYSCORE", holders, text(now + ${WINDOW_MS}), "+inf")
redis.call("PEXPIRE", holders, ${WINDOW_MS})
local replicas = redis.call("ZCARD", holders)
local is_time_set = expected > 0 and math.abs(now - expected) > ${MAX_DRIFT_MS}
local born = tonumber(redis.call("GET", prefix .. ":born") or text(now))
redis.call("SET", prefix .. ":born", text(born), "PX", ${WINDOW_MS})
local is_recalling = now >= born and now - born < ${RECALL_MS}

local answers = { { text(now), text(replicas) } }
for _, ask in ipairs(cjson.decode(ARGV[4])) do
  local key = prefix .. ":bucket:" .. ask.name
  local granted, used, epoch, asked
  if ask.permits then
    local permits = prefix .. ":permits:" .. ask.name
    local others, own = 0, 0
    local held = redis.call("HGETALL", permits)
    for i = 1, #held, 2 do
      if held[i] == holder then
        if not has_been_gone then own = tonumber(held[i + 1]) end
      else
        local at = redis.call("ZSCORE", holders, held[i])
        if at and math.abs(now - tonumber(at)) < ${HOLDER_LIFE_MS} then
          others = others + tonumber(held[i + 1])
        elseif not at then
          redis.call("HDEL", permits, held[i])
        end
      end
    end
    local free = ask.limit - others
    -- What it has and wants to keep, whatever may be free of the rest.
    local kept = math.min(ask.want, own, free)
    if is_recalling then free = math.min(free, math.max(1, math.floor(ask.limit / known))) end
    if free >= ask.need then
      granted = ask.need + math.min(ask.want - ask.need, math.floor((free - ask.need) / (2 * replicas)))
    else
      granted = math.max(ask.least, math.min(ask.need, free))
    end
    granted = math.max(granted, kept)
    if granted > 0 then
      redis.call("HSET", permits, holder, text(granted))
      redis.call("PEXPIRE", permits, ${WINDOW_MS})
    else
      redis.call("HDEL", permits, holder)
    end
    used, epoch, asked = others + granted, now, 0
  else
    local bucket = redis.call("HMGET", key, "used", "capacity", "at", "asked", "epoch")
    local capacity, at = ask.limit, now
    used, asked, epoch = 0, ask.asked, now
    if bucket[1] then
      capacity, at = tonumber(bucket[2]), tonumber(bucket[3])
      used = math.max(0, tonumber(bucket[1]) - math.max(0, now - at) * capacity / ${WINDOW_MS})
      asked, epoch = asked + tonumber(bucket[4]), tonumber(bucket[5])
    end
    if ask.limit < capacity then used = math.min(used, ask.limit) end
    if ask.epoch ~= epoch or is_time_set then
      used = math.max(used, math.min(ask.usedAtLeast, ask.limit))
    end
    used = math.max(0, used - ask.back)
    local free = ask.limit - used + 1e-6
    if free >= ask.need then
      granted = ask.need + math.min(ask.want - ask.need, math.floor((free - ask.need) / (2 * replicas)))
    elseif free >= ask.least then
      granted = math.floor(free)
    else
      granted = 0
    end
    used = used + granted
    redis.call("HSET", key, "used", text(used), "capacity", text(ask.limit), "at", text(now), "asked", text(asked),
      "epoch", text(epoch))
    redis.call("PEXPIRE", key, math.ceil(math.max(${WINDOW_MS}, used * ${WINDOW_MS} / ask.limit)))
  end
  answers[#answers + 1] = { text(granted), text(used), text(asked), text(epoch) }
end
return answers
`,
  },
).withReturnType<ScriptAnswer>()
