-- wrk's script: POST one JSON body (the argument after --) over and over, and say the figures in one line.
-- wrk builds the request once (no `request` function) and counts statuses above 399 as errors.
function init(args)
  wrk.method = "POST"
  wrk.body = args[1]
  wrk.headers["Content-Type"] = "application/json"
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n",
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
