-- Shakes of the users of a tokens file in several events; the figures as one JSON line at the end.
--
--   wrk … -s shakes.lua http://127.0.0.1:PORT -- TOKENS_FILE EVENT_ID,EVENT_ID… FIRST_SHAKE
--
-- Who shakes where is as in driver/turns.ts.

local run = 64
local heads, tails, events, users, at = {}, {}, 0, 0, 0

function init(args)
  for id in args[2]:gmatch("%d+") do
    events = events + 1
    heads[events] = "POST /v1/events/" .. id .. "/shake HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\nAuthorization: Bearer "
  end
  for token in io.lines(args[1]) do
    users = users + 1
    tails[users] = token .. "\r\nContent-Length: 0\r\n\r\n"
  end
  at = tonumber(args[3])
end

function request()
  local chunk = math.floor(at / run)
  local user = (math.floor(chunk / events) * run + at % run) % users
  at = at + 1
  return heads[chunk % events + 1] .. tails[user + 1]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"micros":%d,"bytes":%d,"failed":%d,"refused":%d,"p50Micros":%d,"p99Micros":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99)))
end
