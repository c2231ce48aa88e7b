const given = Number(process.env.SIMULATION_SEEDS ?? 0)

/** Returns a simulation's seeds: those of every run, and as many more as SIMULATION_SEEDS says. */
export const seeds = (always: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...always,
  ...Array.from({ length: given }, (_, i) => `more ${i + 1}`),
]
