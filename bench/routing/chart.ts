/** Draws regrets as an SVG that stands in a README: a row for each policy, a dot for each world, and the mean of all. */

export interface Row {
  readonly name: string
  readonly own: boolean
  /** Shares, one a world and mode. */
  readonly regrets: ReadonlyArray<number>
}

const WIDTH = 860
const LEFT = 190
const RIGHT = 30
const ROW = 30
const TOP = 64
/** Shares at which the axis is marked; it is even in their logarithms, from this share on. */
const MARKS = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]
const LEAST = 0.002

const style = `
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px } .foot { font-size: 11px; fill: #59636e }
.card { fill: #ffffff } .grid { stroke: #d1d9e0 } .goal { stroke: #1a7f37; stroke-dasharray: 4 3 }
.dot { fill: #818b98; fill-opacity: .45 } .own .dot { fill: #0969da } .mean { stroke: #1f2328; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .foot { fill: #9198a1 }
  .card { fill: #0d1117 } .grid { stroke: #30363d } .goal { stroke: #3fb950 }
  .dot { fill: #9198a1 } .own .dot { fill: #4493f8 } .mean { stroke: #f0f6fc }
}`

export const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.reduce((sum, each) => sum + each, 0) / numbers.length

export const chart = (rows: ReadonlyArray<Row>, note: string): string => {
  const most = Math.max(...rows.flatMap(({ regrets }) => regrets))
  const span = Math.log(Math.max(most, 1) / LEAST)
  const x = (share: number): string =>
    (LEFT + (Math.log(Math.max(share, LEAST) / LEAST) / span) * (WIDTH - LEFT - RIGHT)).toFixed(1)
  const bottom = TOP + rows.length * ROW
  const grid = MARKS.filter((mark) => mark <= most).map(
    (mark) =>
      `<path class="grid" d="M${x(mark)} ${TOP - 8}V${bottom}"/><text class="foot" x="${x(mark)}" y="${TOP - 14}" text-anchor="middle">${100 * mark} %</text>`,
  )
  const drawn = rows.map(({ name, own, regrets }, i) => {
    const y = TOP + i * ROW + ROW / 2
    const dots = regrets.map((share) => `<circle class="dot" cx="${x(share)}" cy="${y}" r="4"/>`)
    const at = x(mean(regrets))
    return `<g${own ? ' class="own"' : ""}><text x="${LEFT - 12}" y="${y + 4}" text-anchor="end">${name}</text>${dots.join("")}<path class="mean" d="M${at} ${y - 9}V${y + 9}"/></g>`
  })
  const height = bottom + 36
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>Regret over a clairvoyant, by policy</title>
<style>${style}
</style>
<rect class="card" width="${WIDTH}" height="${height}" rx="6"/>
<text class="title" x="20" y="26">What each way to choose loses against knowing everything: a dot for each world, a line at the mean</text>
${grid.join("\n")}
${drawn.join("\n")}
<text class="foot" x="20" y="${bottom + 22}">${note}</text>
</svg>
`
}
