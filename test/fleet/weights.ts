/** One replica gets nine tenths of what all of them get. */
export const hotOne = (replicas: number): ReadonlyArray<number> => [
  9 * Math.max(1, replicas - 1),
  ...Array.from({ length: replicas - 1 }, () => 1),
]
