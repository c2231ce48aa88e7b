import { useEffect, useRef, useState } from "preact/hooks"
import type uPlot from "uplot"
import { time } from "../format.ts"
import { isDark, theme } from "../theme.ts"

export interface Line {
  readonly title: string
  readonly values: ReadonlyArray<number | null>
  /** One of the page's colours, by its name in `style.css`. */
  readonly colour: "accent" | "good" | "warn" | "bad" | "quiet"
  readonly isFilled?: boolean
}

const HEIGHT = 210

const loadPlots = () => import("./plot.ts")
// On its way while the numbers are asked for. Where it cannot be had, the table is there.
loadPlots().catch(() => undefined)

/** Points of lines as the plot takes them. */
const plotted = ({
  at,
  lines,
}: {
  readonly at: ReadonlyArray<number>
  readonly lines: ReadonlyArray<Line>
}): uPlot.AlignedData => [[...at], ...lines.map(({ values }) => [...values])]

/** Lines over time. Who cannot see them has the numbers in a table behind. */
export const Chart = ({
  at,
  format,
  lines,
  title,
}: {
  readonly title: string
  /** Epoch seconds, ascending. */
  readonly at: ReadonlyArray<number>
  readonly lines: ReadonlyArray<Line>
  readonly format: (value: number | null) => string
}) => {
  const place = useRef<HTMLDivElement>(null)
  const dark = isDark()
  const [isOpen, setIsOpen] = useState(false)
  const isEmpty = at.length === 0
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef({ at, lines })
  latest.current = { at, lines }

  useEffect(() => {
    const element = place.current
    if (element === null) return
    let isGone = false
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    )
    void loadPlots().then(({ makePlot }) => {
      if (isGone) return
      const { lines } = latest.current
      plot.current = makePlot(element, { data: plotted(latest.current), lines, format, height: HEIGHT })
      resized.observe(element)
    })
    return () => {
      isGone = true
      resized.disconnect()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [isEmpty, dark, theme.value])

  // Who reads values off a line goes on reading when newer ones come.
  useEffect(() => plot.current?.setData(plotted({ at, lines })), [at, lines])

  return (
    <figure class="panel chart">
      <h2>{title}</h2>
      {isEmpty ? <p class="hint">Nothing in this span.</p> : <div ref={place} aria-hidden="true" />}
      {!isEmpty && (
        <details onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
          <summary class="hint">As a table</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it by keys */}
          <section class="table" tabIndex={0} aria-label={`${title}, as a table`}>
            <table>
              <thead>
                <tr>
                  <th scope="col">From</th>
                  {lines.map((line) => (
                    <th key={line.title} scope="col" class="number">
                      {line.title}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {(isOpen ? at : []).map((second, index) => (
                  <tr key={second}>
                    <td>{time(new Date(second * 1000).toISOString())}</td>
                    {lines.map((line) => (
                      <td key={line.title} class="number">
                        {format(line.values[index] ?? null)}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        </details>
      )}
    </figure>
  )
}
