/** What one check found: a verdict, what was counted, and what to do about it. Holds no secret and no client's text. */
export interface Finding {
  readonly check: string
  readonly status: "ok" | "warn" | "fail" | "skipped"
  readonly summary: string
  readonly numbers: Readonly<Record<string, number>>
  /** The first of what is wrong. */
  readonly examples: ReadonlyArray<string>
  /** What to do next; null when there is nothing to do. */
  readonly next: string | null
}

/** More examples than these are only counted. */
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

/** Nothing is lost or wrong, but somebody should know. */
export const warn = wrong("warn")

/** What is stored is wrong, or the gateway cannot work like this. */
export const fail = wrong("fail")

export const skipped = (check: string, summary: string): Finding => ({
  check,
  status: "skipped",
  summary,
  numbers: {},
  examples: [],
  next: null,
})

/** `1,234 requests`, `1 request`. */
export const several = (count: number, noun: string, nouns = `${noun}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? noun : nouns}`
