/** Result of one check: a verdict, what was counted, and what to do about it. Holds no secret and no client's text. */
export interface Finding {
  readonly check: string
  readonly status: "ok" | "warn" | "fail" | "skipped"
  readonly summary: string
  readonly numbers: Readonly<Record<string, number>>
  /** The first `MAX_EXAMPLES` of what is wrong. */
  readonly examples: ReadonlyArray<string>
  /** Advice; null when there is nothing to do. */
  readonly next: string | null
}

/** Examples of a finding at most; more are only counted. */
export const MAX_EXAMPLES = 10

interface Found {
  readonly summary: string
  readonly numbers?: Readonly<Record<string, number>>
}

interface Wrong extends Found {
  readonly next: string
  readonly examples?: ReadonlyArray<string>
}

export const ok = (check: string, { summary, numbers = {} }: Found): Finding => ({
  check,
  status: "ok",
  summary,
  numbers,
  examples: [],
  next: null,
})

const wrong =
  (status: "warn" | "fail") =>
  (check: string, { summary, numbers = {}, examples = [], next }: Wrong): Finding => ({
    check,
    status,
    summary,
    numbers,
    examples: examples.slice(0, MAX_EXAMPLES),
    next,
  })

/** Makes a finding of which somebody should know, though nothing is lost or wrong. */
export const warn = wrong("warn")

/** Makes a finding of stored data that is wrong, or of a gateway that cannot work like this. */
export const fail = wrong("fail")

export const skipped = (check: string, summary: string): Finding => ({
  check,
  status: "skipped",
  summary,
  numbers: {},
  examples: [],
  next: null,
})

/** Returns a count with its noun: `1,234 requests`, `1 request`. */
export const several = (count: number, noun: string, nouns = `${noun}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? noun : nouns}`
