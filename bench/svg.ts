/** Draws bars as an SVG that stands in a README, with the machine that the numbers are of. */
import { type Machine, machineLine } from "./machine.ts"
import type { Chart } from "./report.ts"

const WIDTH = 860
const LABEL = 330
const BAR_MOST = 360
const ROW = 24
const TITLE = 34
const FOOT = 46

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const figure = (value: number): string =>
  value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 })

const style = `
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.foot { font-size: 11px; fill: #59636e }
.card { fill: #ffffff } .bar { fill: #afb8c1 } .own { fill: #0969da } .range { stroke: #1f2328 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .foot { fill: #9198a1 }
  .card { fill: #0d1117 } .bar { fill: #656c76 } .own { fill: #4493f8 } .range { stroke: #f0f6fc }
}`

const drawChart = ({ title, bars }: Chart, top: number): string => {
  const most = Math.max(...bars.map(({ spread }) => spread.max))
  const x = (value: number): string => (LABEL + (value / most) * BAR_MOST).toFixed(1)
  const rows = bars.map(({ label, spread: { median, min, max }, own }, i) => {
    const y = top + TITLE + i * ROW
    return [
      `<text x="${LABEL - 10}" y="${y + 13}" text-anchor="end">${escapeXml(label)}</text>`,
      `<rect class="${own ? "own" : "bar"}" x="${LABEL}" y="${y}" width="${(Number(x(median)) - LABEL).toFixed(1)}" height="17" rx="2"/>`,
      `<path class="range" d="M${x(min)} ${y + 8.5}H${x(max)}M${x(min)} ${y + 5}v7M${x(max)} ${y + 5}v7" fill="none"/>`,
      `<text x="${Number(x(max)) + 8}" y="${y + 13}">${figure(median)}</text>`,
    ].join("\n")
  })
  return [`<text class="title" x="20" y="${top + 20}">${escapeXml(title)}</text>`, ...rows].join("\n")
}

/** Returns an SVG of charts one below the other; whiskers are the least and the most of all rounds. */
export const svg = (charts: ReadonlyArray<Chart>, machine: Machine, rounds: number): string => {
  let top = 10
  const drawn = charts.map((chart) => {
    const text = drawChart(chart, top)
    top += TITLE + chart.bars.length * ROW + 14
    return text
  })
  const height = top + FOOT
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${escapeXml(charts.map(({ title }) => title).join("; "))}</title>
<style>${style}
</style>
<rect class="card" width="${WIDTH}" height="${height}" rx="6"/>
${drawn.join("\n")}
<text class="foot" x="20" y="${top + 14}">Medians of ${rounds} rounds, with the least and the most. npm run bench; what each figure means is in docs/benchmarks.md.</text>
<text class="foot" x="20" y="${top + 32}">${escapeXml(machineLine(machine))}</text>
</svg>
`
}
