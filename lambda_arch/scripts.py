"""What the store does in one step: Lua, atomic in the server, nothing newer than Redis 7.0."""

from __future__ import annotations

# One compare-and-set per entity: the state is written if its version is the one that was read and its epoch is not
# newer; a record is written only over one that is smaller in the order of records.order. What an older epoch said
# goes whole: after a rollback it may be of a generation that is greater and was withdrawn. Answers
# {1 written, 0 another version, -1 a newer epoch; numbers of the refused}.
COMMIT = """
local was = redis.call('HMGET', KEYS[1], 'v', 'e')
if (was[1] or '0') ~= ARGV[1] then return {0, {}} end
local epoch, written = tonumber(ARGV[3]), tonumber(was[2] or '0')
if epoch < written then return {-1, {}} end
if epoch > written then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if field ~= 'state' and field ~= 'v' and field ~= 'e' then redis.call('HDEL', KEYS[1], field) end
  end
end
local refused = {}
for i = 5, #ARGV, 6 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  local greater = true
  if stored then
    local old = cjson.decode(stored)
    local now = {tonumber(ARGV[i+2]), tonumber(ARGV[i+3]), ARGV[i+4], tonumber(ARGV[i+5])}
    local was = {old.generation, old.evidence, old.as_of, old.model_version}
    greater = false
    for k = 1, 4 do
      if now[k] ~= was[k] then greater = now[k] > was[k]; break end
    end
  end
  if greater then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1]) else refused[#refused + 1] = (i - 5) / 6 end
end
redis.call('HSET', KEYS[1], 'state', ARGV[4], 'v', tonumber(ARGV[1]) + 1, 'e', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {1, refused}
"""
# A hash is replaced whole: readers see the old one or the new one. Written before anything is deleted: a full store
# refuses a script's first write, and none after that.
REPLACE = """
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
local kept = {}
for i = 2, #ARGV, 2 do kept[ARGV[i]] = true end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if not kept[field] then redis.call('HDEL', KEYS[1], field) end
end
return redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
# The pointer; what was current becomes previous, unless it is the same generation. Never to an earlier horizon: a
# night that was thought dead must not take readers back. Answers whether the generation is current.
FLIP = """
local now = redis.call('HMGET', KEYS[1], 'current', 'current_horizon')
if now[1] == ARGV[1] then return 1 end
if tonumber(ARGV[2]) < tonumber(now[2] or '0') then return 0 end
redis.call('HSET', KEYS[1], 'current', ARGV[1], 'current_horizon', ARGV[2],
  'previous', now[1] or '0', 'previous_horizon', now[2] or '0')
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
return 1
"""
# The pointer back to what was previous, if it is still as it was read. Answers whether it was.
ROLLBACK = """
local now = redis.call('HMGET', KEYS[1], 'current', 'previous', 'previous_horizon', 'withdrawn')
if now[1] ~= ARGV[1] or now[2] ~= ARGV[2] then return 0 end
local withdrawn = now[4] and now[4] .. ' ' .. now[1] or now[1]
redis.call('HSET', KEYS[1], 'current', now[2], 'current_horizon', now[3], 'previous', '0', 'previous_horizon', '0',
  'withdrawn', withdrawn)
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
return 1
"""
# A lease, kept or given back by its holder alone.
RENEW = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
# The event clock never goes back.
ADVANCE = """
local now = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > now then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
"""
# A speed state is gone but for its version, one further: who has read it cannot write it. Answers how many there were.
FORGET = """
local version = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
local had = redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', version + 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return had
"""
# Users are off a piece of a list (lambda_arch/audience.py); answers how many were on it.
STRIKE = """
local stored, gone, there = redis.call('GET', KEYS[1]), {}, false
if not stored then return 0 end
for _, user in ipairs(ARGV) do
  gone[user] = true
  there = there or string.find(stored, user, 1, true)
end
if not there then return 0 end
local piece, users, probabilities = cmsgpack.unpack(stored), {}, {}
for place, user in ipairs(piece[1]) do
  if not gone[user] then
    users[#users + 1], probabilities[#probabilities + 1] = user, piece[2][place]
  end
end
local struck = #piece[1] - #users
piece[1], piece[2] = users, probabilities
redis.call('SET', KEYS[1], cmsgpack.pack(piece), 'KEEPTTL')
return struck
"""
# An erasure, unless one of a later moment is there.
NOTE = """
local had = redis.call('HGET', KEYS[1], ARGV[1])
if had and cjson.decode(had).moment >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
