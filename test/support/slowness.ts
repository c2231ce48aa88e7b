/** How many times slower than a quiet machine this one is: measured when the run started (`measure-slowness.ts`). */
export const slowness = Number(process.env.TEST_SLOWNESS ?? 1)

/** Milliseconds that `ms` on a quiet machine may come to on this one. Every bound of real time in a test is one of these. */
export const scaled = (ms: number): number => ms * slowness
