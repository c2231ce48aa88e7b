import { useSignal } from "@preact/signals"
import type { RoutedModels as RoutedModelsSchema } from "../../src/api/ProvidersApi.ts"
import { get } from "../api.ts"
import { count, NONE, time } from "../format.ts"
import { Badge } from "../parts/Badge.tsx"
import { DryRun } from "../parts/DryRun.tsx"
import { HealthBadge } from "../parts/HealthBadge.tsx"
import { Notice } from "../parts/Notice.tsx"
import { ResetProvider } from "../parts/ResetProvider.tsx"
import { Shown } from "../parts/Shown.tsx"
import { type Column, Table } from "../parts/Table.tsx"
import { seenText, Text } from "../parts/Text.tsx"
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
        {({ data, off }) => {
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
              {wanted === "" && off.length > 0 && <Off providers={off} />}
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

/** Vendors that are known and not on. */
const Off = ({ providers }: { readonly providers: RoutedModels["off"] }) => (
  <section class="panel">
    <h2>Off</h2>
    <dl class="off">
      {providers.map(({ provider, why }) => (
        <div key={provider}>
          <dt>{provider}</dt>
          <dd>{why}</dd>
        </div>
      ))}
    </dl>
  </section>
)

const dollars = new Intl.NumberFormat(undefined, {
  style: "currency",
  currency: "USD",
  minimumFractionDigits: 2,
  maximumFractionDigits: 4,
})

/** To the last digit that vendors state. */
const price = (usd: number | undefined): string => (usd === undefined ? NONE : dollars.format(usd))

/** Who says so, and as of which day. The version also has since when it holds, where that is known. */
const Source = ({ price }: Pick<RoutedModel, "price">) => {
  if (price === null) return <span class="hint">No price: costs are unknown</span>
  return (
    <small title={seenText(price.price_version)}>
      <Text value={price.source} longest={40} />
      <br />
      {price.as_of}
    </small>
  )
}

/** Parameters without which it is asked, or for which another one is. */
const NotTaken = ({ of: { refused, unsupported } }: { readonly of: RoutedModel }) => {
  const all = unsupported.length + refused.length
  if (all === 0) return NONE
  return (
    <details>
      <summary>
        {all === 1 ? "1 parameter" : `${all} parameters`}
        {refused.length > 0 && <Badge kind="warn">{refused.length} refused lately</Badge>}
      </summary>
      <ul class="plain-list">
        {unsupported.map((parameter) => (
          <li key={parameter}>
            <Text value={parameter} />
          </li>
        ))}
        {refused.map(({ dialect, parameter, until }) => (
          <li key={`${parameter} ${dialect}`}>
            <Text value={parameter} />{" "}
            <small>
              refused in {dialect}, forgotten at {time(until)}
            </small>
          </li>
        ))}
      </ul>
    </details>
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
  { title: "In, $/M", isNumber: true, cell: ({ price: row }) => price(row?.input_usd_per_1m) },
  { title: "Cached", isNumber: true, cell: ({ price: row }) => price(row?.cached_input_usd_per_1m) },
  { title: "Out", isNumber: true, cell: ({ price: row }) => price(row?.output_usd_per_1m) },
  { title: "Price from", cell: ({ price }) => <Source price={price} /> },
  {
    title: "Context",
    isNumber: true,
    cell: ({ context_window, max_output_tokens }) => (
      <>
        {count(context_window)}
        {max_output_tokens !== null && <small class="under">{count(max_output_tokens)} out</small>}
      </>
    ),
  },
  { title: "Reads", cell: ({ inputs }) => (inputs === null ? NONE : <Text value={inputs.join(", ")} />) },
  { title: "Does not take", cell: (model) => <NotTaken of={model} /> },
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
  const inTrouble = models.filter(({ health }) => health.state !== "healthy").length
  return (
    <section class="provider">
      <div class="head">
        <h2>
          <Text value={name} />{" "}
          <small>
            {models.length === 1 ? "1 model" : `${models.length} models`}
            {inTrouble > 0 && `, ${inTrouble} in trouble`}
          </small>
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
      <Table
        caption={`Models of ${seenText(name)}`}
        columns={columns}
        keyOf={({ model }) => model}
        rows={models}
      />
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
