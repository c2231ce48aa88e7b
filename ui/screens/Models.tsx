import { useSignal } from "@preact/signals"
import type { RoutedModels as RoutedModelsSchema } from "../../src/api/ProvidersApi.ts"
import { get } from "../api.ts"
import { count, money, NONE, time } from "../format.ts"
import { Badge } from "../parts/Badge.tsx"
import { DryRun } from "../parts/DryRun.tsx"
import { HealthBadge } from "../parts/HealthBadge.tsx"
import { Notice } from "../parts/Notice.tsx"
import { ResetProvider } from "../parts/ResetProvider.tsx"
import { Shown } from "../parts/Shown.tsx"
import { type Column, Table } from "../parts/Table.tsx"
import { Text } from "../parts/Text.tsx"
import { isAdmin } from "../session.ts"
import { useFilters } from "../use-filters.ts"
import { useLoaded } from "../use-loaded.ts"

type RoutedModels = typeof RoutedModelsSchema.Type
type RoutedModel = RoutedModels["data"][number]

const nameOf = ({ model, provider }: RoutedModel): string => `${provider}/${model}`

const REFRESH_MS = 10_000

export default function Models() {
  const { filters, setFilters } = useFilters()
  const models = useLoaded((abort) => get<RoutedModels>("/admin/models", {}, abort), [], REFRESH_MS)
  const wanted = (filters.q ?? "").toLowerCase()
  return (
    <>
      <div class="head">
        <h1>Models</h1>
        <input
          class="filter"
          type="search"
          aria-label="Filter by name"
          placeholder="Filter by name"
          value={filters.q ?? ""}
          onInput={({ currentTarget }) => setFilters({ q: currentTarget.value }, true)}
        />
      </div>
      <Shown of={models}>
        {({ data }) => {
          const found = data.filter((model) => nameOf(model).toLowerCase().includes(wanted))
          return (
            <div class="stack">
              <DryRun names={["auto", ...data.filter(({ kind }) => kind === "chat").map(nameOf)]} />
              {Object.entries(Object.groupBy(found, ({ provider }) => provider)).map(
                ([provider, of = []]) => (
                  <Provider key={provider} name={provider} models={of} onReset={models.reload} />
                ),
              )}
              {data.length === 0 && (
                <Notice title="No provider is on">
                  Give the gateway the key of one, as in <code>OPENAI_API_KEY</code>, and start it again.
                </Notice>
              )}
              {data.length > 0 && found.length === 0 && (
                <Notice title="No model is called so">
                  <button type="button" class="plain" onClick={() => setFilters({ q: undefined })}>
                    Show all
                  </button>
                </Notice>
              )}
            </div>
          )
        }}
      </Shown>
    </>
  )
}

/** What it costs per million tokens. */
const Price = ({ of: { price }, what }: { readonly of: RoutedModel; readonly what: "input" | "output" }) => {
  if (price === null) return NONE
  if (what === "output") return money(price.output_usd_per_1m)
  return (
    <>
      {money(price.input_usd_per_1m)}
      {price.cached_input_usd_per_1m !== price.input_usd_per_1m && (
        <small class="below">{money(price.cached_input_usd_per_1m)} cached</small>
      )}
    </>
  )
}

/** Who says so, and since when it holds. */
const Source = ({ price }: Pick<RoutedModel, "price">) => {
  if (price === null) return <span class="hint">No price: costs are unknown</span>
  const [source = "", asOf] = price.price_version.split("@")
  return (
    <>
      <Text value={source} />
      {asOf !== undefined && (
        <small class="below">
          <Text value={asOf} />
        </small>
      )}
    </>
  )
}

const columns: ReadonlyArray<Column<RoutedModel>> = [
  {
    title: "Model",
    cell: ({ kind, model }) => (
      <>
        <Text value={model} /> {kind === "embedding" && <Badge>embeddings</Badge>}
      </>
    ),
  },
  { title: "Health", cell: ({ health }) => <HealthBadge health={health} /> },
  { title: "In, $/M", isNumber: true, cell: (model) => <Price of={model} what="input" /> },
  { title: "Out, $/M", isNumber: true, cell: (model) => <Price of={model} what="output" /> },
  { title: "Price from", cell: ({ price }) => <Source price={price} /> },
  {
    title: "Context",
    isNumber: true,
    cell: ({ context_window, max_output_tokens }) => (
      <>
        {count(context_window)}
        {max_output_tokens !== null && <small class="below">{count(max_output_tokens)} out</small>}
      </>
    ),
  },
  { title: "Reads", cell: ({ inputs }) => (inputs === null ? NONE : <Text value={inputs.join(", ")} />) },
  {
    title: "Does not take",
    cell: ({ refused, unsupported }) =>
      refused.length === 0 && unsupported.length === 0 ? (
        NONE
      ) : (
        <ul class="plain-list">
          {unsupported.map((parameter) => (
            <li key={parameter}>
              <Text value={parameter} /> <small>stated</small>
            </li>
          ))}
          {refused.map(({ dialect, parameter, until }) => (
            <li key={`${parameter} ${dialect}`} title={`Forgotten at ${time(until)}, unless refused again`}>
              <Text value={parameter} /> <small>refused in {dialect}</small>
            </li>
          ))}
        </ul>
      ),
  },
]

const Provider = ({
  models,
  name,
  onReset,
}: {
  readonly name: string
  readonly models: ReadonlyArray<RoutedModel>
  readonly onReset: () => void
}) => {
  const isAsked = useSignal(false)
  return (
    <section class="provider">
      <div class="head">
        <h2>
          <Text value={name} />
        </h2>
        {isAdmin.value && (
          <button
            type="button"
            class="plain"
            onClick={() => {
              isAsked.value = true
            }}
          >
            Reset <span class="unseen">{name}</span>
          </button>
        )}
      </div>
      <Table caption={`Models of ${name}`} columns={columns} keyOf={({ model }) => model} rows={models} />
      {isAsked.value && (
        <ResetProvider
          name={name}
          onClose={(isReset) => {
            isAsked.value = false
            if (isReset) onReset()
          }}
        />
      )}
    </section>
  )
}
