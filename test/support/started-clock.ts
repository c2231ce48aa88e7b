import { Layer } from "effect"
import { TestClock } from "effect/testing"

/** A moment such as services live in, in epoch milliseconds: at 0, where a virtual clock begins, a sum equals a difference. */
export const START_MS = Date.UTC(2026, 10, 28, 9, 30)

/** Sets the virtual clock to that moment before the layer that it is provided to is built. */
export const startedClock = Layer.effectDiscard(TestClock.setTime(START_MS))
