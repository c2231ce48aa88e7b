import type { CallMode } from "../../domain/Chat.ts"
import type { Estimate, PolicyEstimate, ReplayEstimate } from "../../replay/estimate.ts"
import type { Done } from "./report.ts"

/** Draws cost against p95 latency, a panel for each mode, as an SVG that is read on light and on dark. */

const WIDTH = 640
const PANEL = 300
const LEFT = 90
const RIGHT = 30
const TOP = 46
const BOTTOM = 54
const TICKS = 5

const style = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px } .note { font-size: 11px; fill: #59636e }
path.logged, path.new { stroke-width: 2 }
.card { fill: #ffffff } .grid { stroke: #d1d9e0 }
.logged { stroke: #59636e; fill: #59636e } .new { stroke: #0969da; fill: #0969da }
text.logged, text.new { stroke: none; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .note { fill: #9198a1 }
  .card { fill: #0d1117 } .grid { stroke: #3d444d }
  .logged { stroke: #9198a1; fill: #9198a1 } .new { stroke: #4493f8; fill: #4493f8 }
}`

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

interface Point {
  readonly name: "logged" | "new"
  readonly cost: Estimate
  readonly p95: Estimate
}

/** A scale from 0 to a round number above all that is shown. */
const scaleTo = (estimates: ReadonlyArray<Estimate>) => {
  const most = Math.max(...estimates.map(({ high, value }) => Math.max(high, value)), Number.MIN_VALUE)
  const unit = 10 ** Math.floor(Math.log10(most / TICKS))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((each) => each * TICKS >= most) ?? most
  return {
    top: step * TICKS,
    ticks: Array.from({ length: TICKS + 1 }, (_, i) => i * step),
  }
}

const tick = (value: number): string =>
  value === 0 ? "0" : value.toLocaleString("en", { maximumSignificantDigits: 4 })

const fixed = (value: number): string => value.toFixed(1)

const TITLES = {
  whole: "Time to the whole answer, p95",
  stream: "Time to the first token, p95",
} as const

const panel = (mode: CallMode, points: ReadonlyArray<Point>, top: number): string => {
  const costs = scaleTo(points.map(({ cost }) => cost))
  const times = scaleTo(points.map(({ p95 }) => p95))
  const right = WIDTH - RIGHT
  const foot = top + PANEL - BOTTOM
  const x = (value: number) => LEFT + (value / costs.top) * (right - LEFT)
  const y = (value: number) => foot - (value / times.top) * (foot - top - TOP)
  const lines = [
    `<text class="title" x="20" y="${top + 24}">${TITLES[mode]}, against cost</text>`,
    ...costs.ticks.map(
      (value) =>
        `<path class="grid" d="M${fixed(x(value))} ${top + TOP}V${foot}"/><text x="${fixed(x(value))}" y="${foot + 18}" text-anchor="middle">${tick(value)}</text>`,
    ),
    ...times.ticks.map(
      (value) =>
        `<path class="grid" d="M${LEFT} ${fixed(y(value))}H${right}"/><text x="${LEFT - 8}" y="${fixed(y(value) + 4)}" text-anchor="end">${tick(value)}</text>`,
    ),
    `<text class="note" x="${right}" y="${foot + 36}" text-anchor="end">USD per 1,000 requests</text>`,
    `<text class="note" x="${LEFT - 8}" y="${top + TOP - 14}" text-anchor="end">ms</text>`,
  ]
  for (const { cost, name, p95 } of points) {
    const [cx, cy] = [x(cost.value), y(p95.value)]
    const anchor = cx > WIDTH / 2 ? "end" : "start"
    lines.push(
      `<path class="${name}" fill="none" d="M${fixed(x(cost.low))} ${fixed(cy)}H${fixed(x(cost.high))}M${fixed(cx)} ${fixed(y(p95.low))}V${fixed(y(p95.high))}"/>`,
      `<circle class="${name}" cx="${fixed(cx)}" cy="${fixed(cy)}" r="4"/>`,
      `<text class="${name}" x="${fixed(cx + (anchor === "end" ? -10 : 10))}" y="${fixed(cy - 9)}" text-anchor="${anchor}">${name}</text>`,
    )
  }
  return lines.join("\n")
}

const pointOf = (name: Point["name"], policy: PolicyEstimate, mode: CallMode): ReadonlyArray<Point> => {
  const p95 = policy.latency.find((each) => each.mode === mode)?.p95Ms
  const cost = policy.costUsdPer1000
  return p95 && cost ? [{ name, cost, p95 }] : []
}

export const plot = (
  estimate: ReplayEstimate,
  { fromMs, toMs, tried }: Pick<Done, "fromMs" | "toMs" | "tried">,
): string => {
  const panels = estimate.logged.latency.map(({ mode }, i) =>
    panel(
      mode,
      [...pointOf("logged", estimate.logged, mode), ...pointOf("new", estimate.new, mode)],
      i * PANEL,
    ),
  )
  const height = panels.length * PANEL + 44
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 16)
  const notes = [
    `new: ${tried}`,
    `${estimate.logged.requests.toLocaleString("en")} requests from ${day(fromMs)} to ${day(toMs)} UTC; lines are 95 % intervals`,
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>Cost against p95 latency, as logged and as it would have been</title>
<style>${style}
</style>
<rect class="card" width="${WIDTH}" height="${height}" rx="6"/>
${panels.join("\n")}
${notes.map((note, i) => `<text class="note" x="20" y="${height - 30 + i * 16}">${escapeXml(note)}</text>`).join("\n")}
</svg>
`
}
