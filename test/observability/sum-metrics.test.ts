import { assert, describe, it } from "@effect/vitest"
import { sumCounts, sumMetrics } from "../../src/observability/sum-metrics.ts"

const textOf = (
  requests: number,
  delay: number,
  extra = "",
) => `# HELP gateway_requests_total HTTP requests answered
# TYPE gateway_requests_total counter
gateway_requests_total{endpoint="/infer",outcome="2xx"} ${requests}
# HELP gateway_upstream_duration_seconds Time of one call
# TYPE gateway_upstream_duration_seconds histogram
gateway_upstream_duration_seconds_bucket{model="a b",le="0.5"} ${requests}
gateway_upstream_duration_seconds_bucket{model="a b",le="+Inf"} ${requests}
gateway_upstream_duration_seconds_sum{model="a b"} ${requests / 4}
gateway_upstream_duration_seconds_count{model="a b"} ${requests}
# HELP gateway_event_loop_delay_seconds Recent delay
# TYPE gateway_event_loop_delay_seconds gauge
gateway_event_loop_delay_seconds ${delay}
# HELP gateway_in_flight_requests In flight
# TYPE gateway_in_flight_requests gauge
gateway_in_flight_requests ${requests}
${extra}`

describe("sumMetrics", () => {
  it("leaves the metrics of one process as they are", () => {
    assert.strictEqual(sumMetrics([textOf(3, 0.5)]), textOf(3, 0.5))
  })

  it("adds counters, histograms and levels, and takes the worst of what is no quantity", () => {
    assert.strictEqual(sumMetrics([textOf(3, 0.5), textOf(4, 0.25), textOf(1, 0.125)]), textOf(8, 0.5))
  })

  it("keeps what only some of them have, beneath its own description", () => {
    const refused = `# HELP gateway_shed_total Requests refused
# TYPE gateway_shed_total counter
gateway_shed_total{reason="in_flight"} 2
`
    const stream = 'gateway_requests_total{endpoint="/v1/messages",outcome="5xx"} 7\n'
    const [head = "", ...rest] = textOf(2, 0).split(/(?<=2xx"} 2\n)/)
    assert.strictEqual(
      sumMetrics([textOf(1, 0), textOf(1, 0, `${refused}# TYPE gateway_requests_total counter\n${stream}`)]),
      `${head}${stream}${rest.join("")}${refused}`,
    )
  })
})

describe("sumCounts", () => {
  it("keeps what ended processes counted, and none of their levels", () => {
    const sum = sumCounts([textOf(3, 0.5), textOf(4, 0.25)])
    assert.strictEqual(sum, textOf(7, 0).split("# HELP gateway_event_loop")[0])
    // The next one adds to it.
    assert.strictEqual(
      sumMetrics([textOf(2, 0.5), sum])
        .split("\n")[2]
        ?.split(" ")
        .at(-1),
      "9",
    )
  })
})
