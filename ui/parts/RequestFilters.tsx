import { type Signal, signal } from "@preact/signals"
import { useId, useMemo } from "preact/hooks"
import type { RoutedModels as RoutedModelsSchema } from "../../src/api/ProvidersApi.ts"
import { get } from "../api.ts"
import { FILTER_NAMES, type FilterName, type Filters, statusFilter } from "../request-filters.ts"
import { useFilters } from "../use-filters.ts"
import { useLoaded } from "../use-loaded.ts"
import { Dialog } from "./Dialog.tsx"
import { Choice, Field } from "./Field.tsx"

type RoutedModels = (typeof RoutedModelsSchema)["Encoded"]
interface Teams {
  readonly data: ReadonlyArray<{ readonly name: string }>
}

const ENDPOINTS = ["/infer", "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"]
const STATUSES = ["2xx", "4xx", "5xx", "200", "400", "401", "403", "404", "429", "499", "502", "503", "504"]

const valuesOf = (filters: Filters): Readonly<Record<FilterName, Signal<string>>> => {
  const values = Object.fromEntries(FILTER_NAMES.map((name) => [name, signal(filters[name] ?? "")]))
  return values as Record<FilterName, Signal<string>>
}

/** Asks what the list of requests is narrowed to. */
export const RequestFilters = ({
  errorCodes,
  keyNames,
  onClose,
}: {
  /** By id. */
  readonly keyNames: ReadonlyMap<string, string>
  /** What is proposed. */
  readonly errorCodes: ReadonlyArray<string>
  readonly onClose: () => void
}) => {
  const { filters, setFilters } = useFilters()
  const values = useMemo(() => valuesOf(filters), [])
  const status = useMemo(
    () => signal(filters.status_class === undefined ? (filters.status ?? "") : `${filters.status_class}xx`),
    [],
  )
  const { data: models } = useLoaded((abort) => get<RoutedModels>("/admin/models", {}, abort), [])
  const { data: teams } = useLoaded((abort) => get<Teams>("/admin/teams", { limit: 1000 }, abort), [])
  const key = filters.key_id
  const keys = key === undefined || keyNames.has(key) ? [...keyNames] : [[key, key] as const, ...keyNames]

  // The browser closes the window, and gives the focus back to what opened it.
  const submit = () =>
    setFilters({
      ...Object.fromEntries(FILTER_NAMES.map((name) => [name, values[name].value.trim()])),
      ...statusFilter(status.value),
      cursor: undefined,
    })

  return (
    <Dialog title="Show only requests" onClose={onClose}>
      <form method="dialog" onSubmit={submit}>
        <div class="filter-fields">
          <Choice label="Key" value={values.key_id} options={[["", "Any"], ...keys]} />
          <Proposing label="Team" value={values.team} proposed={teams?.data.map(({ name }) => name)} />
          <Field label="User" value={values.user} autocomplete="off" />
          <Field label="Tag" value={values.tag} autocomplete="off" />
          <Proposing
            label="Provider"
            value={values.provider}
            proposed={models?.data.map(({ provider }) => provider)}
          />
          <Proposing label="Model" value={values.model} proposed={models?.data.map(({ model }) => model)} />
          <Proposing label="Endpoint" value={values.endpoint} proposed={ENDPOINTS} />
          <Choice
            label="Answer"
            value={values.stream}
            options={[
              ["", "Any"],
              ["true", "Streamed"],
              ["false", "Whole"],
            ]}
          />
          <Proposing label="Status" value={status} proposed={STATUSES} placeholder="5xx or 503" />
          <Proposing label="Error code" value={values.error_code} proposed={errorCodes} />
          <Field
            label="Took at least (ms)"
            type="number"
            min={0}
            step={1}
            value={values.min_latency_ms}
            placeholder="2000"
          />
          <Field
            label="Cost at least (USD)"
            type="number"
            min={0}
            step="any"
            value={values.min_cost_usd}
            placeholder="0.05"
          />
        </div>
        <div class="actions">
          <button
            type="button"
            class="plain"
            onClick={({ currentTarget }) => currentTarget.closest("dialog")?.close()}
          >
            Cancel
          </button>
          <button type="submit">Show</button>
        </div>
      </form>
    </Dialog>
  )
}

/** A field that proposes what is known, and takes anything. */
const Proposing = ({
  label,
  placeholder = "",
  proposed = [],
  value,
}: {
  readonly label: string
  readonly value: Signal<string>
  readonly proposed?: ReadonlyArray<string> | undefined
  readonly placeholder?: string
}) => {
  const id = useId()
  return (
    <>
      <Field label={label} value={value} list={id} autocomplete="off" placeholder={placeholder} />
      <datalist id={id}>
        {[...new Set(proposed)].map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </>
  )
}
