import type { Cluster, Redis, Result } from 'ioredis'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    carillonPresenceStep(
      key: string,
      channel: string,
      incarnation: string,
      instances: string,
      except: string,
      ...steps: string[]
    ): Result<StepReply, Context>
    carillonPresenceRenew(
      leases: string,
      dataset: string,
      instance: string,
      leaseMs: number,
      isNew: '0' | '1',
      newDataset: string,
    ): Result<RenewReply, Context>
    carillonPresencePlaces(count: number, ...keys: string[]): Result<StepReply[], Context>
    carillonPresenceExpire(
      leases: string,
      instance: string,
      afterMs: number,
    ): Result<number, Context>
  }
}

/** The step that it was; an empty incarnation where nothing changed. */
export type StepReply = [incarnation: string, revision: number]

/** `0` where the lease has run out, and when the next one does, in milliseconds; -1 for none. */
export type RenewReply = [
  isHeld: number,
  dataset: string,
  nextMs: number,
  expired: string[],
  others: string[],
]

/**
 * In a topic's hash, each seat is a field; its value begins with the session's id, when it was entered, and the
 * instance. Besides, the hash has a revision, and an incarnation, which is another one each time that
 * someone enters an empty topic. Every change is published with both, in the order of the revisions.
 */
const COMMON = `
  local function head(value)
    return string.match(value, '^(%S+) (%S+) (%S+)')
  end

  local function gone(id, at, instance)
    return id .. ' ' .. at .. ' ' .. instance .. ' [0,0,null,null]'
  end

  local function publish(key, channel, incarnation, changes)
    if #changes == 0 then return {'', 0} end
    local revision = redis.call('HINCRBY', key, '#revision', 1)
    if revision == 1 then redis.call('HSET', key, '#incarnation', incarnation)
    else incarnation = redis.call('HGET', key, '#incarnation') end
    local isOver = redis.call('HLEN', key) == 2
    if isOver then redis.call('DEL', key) end
    redis.call('PUBLISH', channel, cjson.encode({incarnation, revision, isOver, changes}))
    return {incarnation, revision}
  end
`

/**
 * ARGV: channel, incarnation, whose sessions are to go, then for each step its kind, the seat, and the session. A seat is
 * not taken from one that has come later: a command may be repeated after a connection was cut. Those go at last whose
 * instances' names begin so, but for one of them; for nobody where that is empty.
 */
const STEP = `${COMMON}
  local changes = {}
  local instances, except = ARGV[3], ARGV[4]
  for i = 5, #ARGV, 3 do
    local kind, seat, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local old = redis.call('HGET', KEYS[1], seat)
    local id, at = head(value)
    local oldId, oldAt, oldInstance
    if old then oldId, oldAt, oldInstance = head(old) end
    local has = oldId == id
    local mayTake = not old or has or tonumber(oldAt) <= tonumber(at)
    if (kind == 'enter' and mayTake) or (kind == 'say' and has) then
      if old ~= value then
        redis.call('HSET', KEYS[1], seat, value)
        changes[#changes + 1] = {'put', seat, value}
      end
    elseif kind == 'leave' and has then
      redis.call('HDEL', KEYS[1], seat)
      changes[#changes + 1] = {'remove', seat, gone(oldId, oldAt, oldInstance)}
    end
  end
  if instances ~= '' then
    local all = redis.call('HGETALL', KEYS[1])
    for i = 1, #all, 2 do
      local seat, value = all[i], all[i + 1]
      if string.sub(seat, 1, 1) ~= '#' then
        local id, at, instance = head(value)
        if string.sub(instance, 1, #instances) == instances and instance ~= except then
          redis.call('HDEL', KEYS[1], seat)
          changes[#changes + 1] = {'remove', seat, gone(id, at, instance)}
        end
      end
    end
  end
  return publish(KEYS[1], ARGV[1], ARGV[2], changes)`

/** ARGV: instance, lease, whether it is a new one, a name for a Redis that has none. By the clock of Redis. */
const RENEW = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('SET', KEYS[2], ARGV[4], 'NX')
  local until_ = redis.call('ZSCORE', KEYS[1], ARGV[1])
  local held = ARGV[3] == '1' or (until_ and tonumber(until_) >= now)
  if held then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
  local expired = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - 1, 'LIMIT', 0, 100)
  local others = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')
  local first = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf', 'WITHSCORES', 'LIMIT', 0, 2)
  local nextMs = -1
  for i = 1, #first, 2 do
    if nextMs < 0 and first[i] ~= ARGV[1] then nextMs = first[i + 1] - now end
  end
  return {held and 1 or 0, redis.call('GET', KEYS[2]), nextMs, expired, others}`

/** Where topics stand; 0 for those in which nobody is. */
const PLACES = `
  local places = {}
  for i, key in ipairs(KEYS) do
    local place = redis.call('HMGET', key, '#incarnation', '#revision')
    places[i] = {place[1] or '', tonumber(place[2] or 0)}
  end
  return places`

/** Lets a lease run out after so long. */
const EXPIRE = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], ARGV[1])`

export function definePresenceScripts(redis: Redis | Cluster): void {
  redis.defineCommand('carillonPresenceStep', { numberOfKeys: 1, lua: STEP })
  redis.defineCommand('carillonPresenceRenew', { numberOfKeys: 2, lua: RENEW })
  redis.defineCommand('carillonPresencePlaces', { lua: PLACES })
  redis.defineCommand('carillonPresenceExpire', { numberOfKeys: 1, lua: EXPIRE })
}
