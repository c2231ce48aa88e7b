import { useSignal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { DEFAULT_SPAN, fromLocal, OWN_SPAN, rangeOf, SPANS, toLocal } from "../span.ts"
import { useFilters } from "../use-filters.ts"
import { Field } from "./Field.tsx"
import { Segments } from "./Segments.tsx"

const options = [...SPANS.map(([value, text]) => [value, text] as const), [OWN_SPAN, "Other"] as const]

/** Chooses the span of time that a screen shows, which stands in its address. */
export const SpanPicker = () => {
  const { filters, setFilters } = useFilters()
  const span = filters.span ?? DEFAULT_SPAN
  const range = rangeOf(filters)
  const from = useSignal(toLocal(range.from))
  const to = useSignal(toLocal(range.to))

  useEffect(() => {
    from.value = toLocal(range.from)
    to.value = toLocal(range.to)
  }, [filters.span, filters.from, filters.to])

  const choose = (span: string) => {
    if (span === OWN_SPAN) setFilters({ span, ...range, cursor: undefined })
    else setFilters({ span, from: undefined, to: undefined, cursor: undefined })
  }
  const submit = (event: Event) => {
    event.preventDefault()
    setFilters({ span: OWN_SPAN, from: fromLocal(from.value), to: fromLocal(to.value), cursor: undefined })
  }

  return (
    <div class="row">
      <Segments label="Span of time" options={options} chosen={span} choose={choose} />
      {span === OWN_SPAN && (
        <form class="row" onSubmit={submit}>
          <Field label="From" type="datetime-local" value={from} required />
          <Field label="To" type="datetime-local" value={to} required />
          <button type="submit" class="plain">
            Show
          </button>
        </form>
      )}
    </div>
  )
}
