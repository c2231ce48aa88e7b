import { FakeUpstream } from "./FakeUpstream.ts"
import { ok } from "./fake-upstream-behaviours.ts"

/**
 * A fake provider in a process of its own, for tests that stop it or must not share its event loop. Streams long and
 * slowly, answers whole at once; prints its base URL, and ends with its standard input.
 */
const upstream = await FakeUpstream.start()
upstream.respond((exchange) =>
  ok(exchange.asked.operation === "stream" ? { text: "word ".repeat(1000), msBetween: 20 } : { text: "ok" })(
    exchange,
  ),
)
process.stdout.write(`${upstream.openAiBaseUrl}\n`)
process.stdin.on("end", () => process.exit()).resume()
