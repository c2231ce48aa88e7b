/** Says of a check how far it came within its time limit, and that nothing was wrong till there. */
export const unfinished = (part: string, numbers: Readonly<Record<string, number>>) => ({
  summary: `stopped at its time limit after ${part}; those are right`,
  numbers,
  next: "Ask for a span with --from and --to, which has no time limit.",
})
