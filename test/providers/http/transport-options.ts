import type { TransportOptions } from "../../../src/providers/http/transport.ts"

/** Of a transport in tests: connects in no time, waits long enough for a busy machine. */
export const transportOptions: TransportOptions = {
  connectMs: 500,
  headersMs: 10_000,
  bodyMs: 10_000,
  maxUpstreamBytes: 100_000,
  maxCalls: 32,
}
