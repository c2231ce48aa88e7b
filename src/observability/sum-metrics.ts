/** Metrics of processes that are one service to whoever scrapes them, in Prometheus' text format. Pure. */

/** Levels that are no quantity of each process but say how bad something is, or that it is so: the worst is the service's. */
const WORST: ReadonlySet<string> = new Set([
  "gateway_breaker_open",
  "gateway_build_info",
  "gateway_config_rejected",
  "gateway_event_loop_delay_seconds",
  "gateway_ledger_oldest_record_age_seconds",
  "gateway_ledger_unwritable",
  "gateway_upstream_key_resting_models",
])

interface Family {
  /** `# HELP` and `# TYPE`. */
  readonly comments: Array<string>
  /** Name and labels to value. */
  readonly samples: Map<string, number>
}

const COMMENT = /^# (?:HELP|TYPE) (\S+)/

const readInto = (families: Map<string, Family>, text: string): void => {
  let name = ""
  let family: Family = { comments: [], samples: new Map() }
  for (const line of text.split("\n")) {
    if (line === "") continue
    const named = COMMENT.exec(line)?.[1]
    if (named !== undefined) {
      name = named
      family = families.get(name) ?? { comments: [], samples: new Map() }
      families.set(name, family)
      if (!family.comments.includes(line)) family.comments.push(line)
      continue
    }
    const at = line.lastIndexOf(" ")
    const series = line.slice(0, at)
    const value = Number(line.slice(at + 1))
    const before = family.samples.get(series)
    const both = before === undefined ? value : WORST.has(name) ? Math.max(before, value) : before + value
    family.samples.set(series, both)
  }
}

const write = (families: Iterable<Family>): string =>
  Array.from(families, ({ comments, samples }) =>
    [...comments, ...Array.from(samples, ([series, value]) => `${series} ${value}`)]
      .map((line) => `${line}\n`)
      .join(""),
  ).join("")

/** Adds up the metrics of several processes. */
export const sumMetrics = (texts: ReadonlyArray<string>): string => {
  const families = new Map<string, Family>()
  for (const text of texts) readInto(families, text)
  return write(families.values())
}

/** Adds up what is left of processes that have ended: what they counted. Their levels went with them. */
export const sumCounts = (texts: ReadonlyArray<string>): string => {
  const families = new Map<string, Family>()
  for (const text of texts) readInto(families, text)
  return write(families.values().filter(({ comments }) => !comments.some((line) => line.endsWith(" gauge"))))
}
