-- The path from the URL, or paths that take turns ({n} is 1 to WRK_COUNT); the figures as one line of JSON.
wrk.method = os.getenv("WRK_METHOD") or "GET"
wrk.body = os.getenv("WRK_BODY")

local count = tonumber(os.getenv("WRK_COUNT") or "0")
local ready, turn = {}, 0

if count > 0 then
  function init(_)
    for n = 1, count do
      ready[n] = wrk.format(nil, (os.getenv("WRK_PATH"):gsub("{n}", n)))
    end
  end

  function request()
    turn = turn % count + 1
    return ready[turn]
  end
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'FIGURES {"requests": %d, "bytes": %d, "microseconds": %d, "p50": %d, "p95": %d, "p99": %d, "max": %d, '
      .. '"failures": %d, "socket_errors": %d, "timeouts": %d}\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max,
    errors.status, errors.connect + errors.read + errors.write, errors.timeout
  ))
end
