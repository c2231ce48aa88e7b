import type { LargeBodies } from "../../../src/platform/LargeBodies.ts"
import { ReadTurns } from "../../../src/platform/ReadTurns.ts"
import type { TransportOptions } from "../../../src/providers/http/transport.ts"

/** Every large body is understood at once. */
export const noTurns: LargeBodies["Service"] = { inTurn: (_, work) => work, readTurns: new ReadTurns() }

/** Of a transport in tests: connects in no time, waits long enough for a busy machine. */
export const transportOptions: TransportOptions = {
  connectMs: 500,
  headersMs: 10_000,
  bodyMs: 10_000,
  maxUpstreamBytes: 100_000,
  maxCalls: 32,
  largeBodies: noTurns,
}
