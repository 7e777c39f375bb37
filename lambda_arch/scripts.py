"""What the store does in one step: Lua, atomic in the server, nothing newer than Redis 7.0."""

from __future__ import annotations

# One compare-and-set per entity: the state is written if its version is the one that was read; a record is
# written only over one that is smaller in the order of records.order. Answers {written, numbers of the refused}.
COMMIT = """
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then return {0, {}} end
local refused = {}
for i = 4, #ARGV, 6 do
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
  if greater then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1]) else refused[#refused + 1] = (i - 4) / 6 end
end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'v', tonumber(ARGV[1]) + 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {1, refused}
"""
# The pointer; what was current becomes previous, unless it is the same generation.
FLIP = """
local now = redis.call('HMGET', KEYS[1], 'current', 'current_horizon')
if now[1] ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'current', ARGV[1], 'current_horizon', ARGV[2],
    'previous', now[1] or '0', 'previous_horizon', now[2] or '0')
end
return 1
"""
# The event clock never goes back.
ADVANCE = """
local now = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > now then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
"""
