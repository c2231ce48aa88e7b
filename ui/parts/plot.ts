import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import type { Line } from "./Chart.tsx"

/** Returns a colour of the page as it is in the present theme: a canvas knows no variables. */
const colourOf = (element: HTMLElement, name: string): string => {
  const probe = element.ownerDocument.createElement("span")
  probe.style.color = `var(--${name})`
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** Draws lines into an element, in the page's colours. */
export const makePlot = (
  element: HTMLElement,
  {
    data,
    format,
    height,
    lines,
  }: {
    readonly data: uPlot.AlignedData
    readonly lines: ReadonlyArray<Line>
    readonly format: (value: number | null) => string
    readonly height: number
  },
): uPlot => {
  const [quiet, line] = [colourOf(element, "quiet"), colourOf(element, "line")]
  const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } }
  return new uPlot(
    {
      width: element.clientWidth,
      height,
      cursor: { y: false, points: { size: 6 } },
      legend: { live: true },
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [axis, { ...axis, size: 74, values: (_, ticks) => ticks.map(format) }],
      series: [
        {},
        ...lines.map(({ colour, isFilled, title }) => {
          const stroke = colourOf(element, colour)
          return {
            label: title,
            stroke,
            width: 2,
            // No line leads to a value that stands alone.
            points: { size: 5, filter: (plot: uPlot, index: number) => alone(plot.data[index] ?? []) },
            ...(isFilled === true && { fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.15)") }),
            value: (_: uPlot, value: number | null) => format(value),
          }
        }),
      ],
    },
    data,
    element,
  )
}

/** Places of values that have none beside them. */
const alone = (values: uPlot.AlignedData[number]): Array<number> =>
  [...values.keys()].filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null)
