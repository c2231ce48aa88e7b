import type { RoutedModels as RoutedModelsSchema } from "../../src/api/ProvidersApi.ts"
import { get } from "../api.ts"
import { duration, NONE, share, time } from "../format.ts"
import { useLoaded } from "../use-loaded.ts"
import { HealthBadge } from "./HealthBadge.tsx"
import { Shown } from "./Shown.tsx"
import { type Column, Table } from "./Table.tsx"
import { Text } from "./Text.tsx"
import { Ago } from "./Time.tsx"

type RoutedModels = typeof RoutedModelsSchema.Type
type RoutedModel = RoutedModels["data"][number]

const REFRESH_MS = 10_000

const columns: ReadonlyArray<Column<RoutedModel>> = [
  { title: "Provider", cell: ({ provider }) => <Text value={provider} /> },
  { title: "Model", cell: ({ model }) => <Text value={model} /> },
  { title: "Health", cell: ({ health }) => <HealthBadge health={health} /> },
  { title: "Availability", isNumber: true, cell: ({ outlook }) => share(outlook.availability) },
  { title: "Predicted", isNumber: true, cell: ({ outlook }) => predicted(outlook, outlook.predicted_ms) },
  {
    title: "First token",
    isNumber: true,
    cell: ({ outlook }) => predicted(outlook, outlook.predicted_first_token_ms),
  },
  { title: "Last errors", cell: ({ failures }) => <LastErrors of={failures} /> },
]

/** Of whom nobody has had an answer there is a guess, which says nothing. */
const predicted = ({ answers }: RoutedModel["outlook"], ms: number | null): string =>
  answers === 0 ? NONE : duration(ms)

const LastErrors = ({ of: [latest, ...others] }: { readonly of: RoutedModel["failures"] }) =>
  latest === undefined ? (
    NONE
  ) : (
    <>
      <a
        href={`/ui/requests/${latest.request_id}`}
        title={[latest, ...others].map(({ at, kind }) => `${time(at)}: ${kind}`).join("\n")}
      >
        {latest.kind.replaceAll("_", " ")} {latest.status}
      </a>{" "}
      <small>
        <Ago at={latest.at} />
        {others.length > 0 && `, and ${others.length} before`}
      </small>
    </>
  )

/** Who is well and who is not, of all that may be asked: those in trouble first. */
export const Health = () => {
  const models = useLoaded((abort) => get<RoutedModels>("/admin/models", {}, abort), [], REFRESH_MS)
  return (
    <section>
      <h2>Health of providers</h2>
      <p class="hint">Of the replica that answers. Predictions are for a usual chat.</p>
      <Shown of={models}>
        {({ data }) => (
          <Table
            caption="Health of providers"
            columns={columns}
            keyOf={({ model, provider }) => `${provider}/${model}`}
            rows={data.toSorted((a, b) => trouble(b) - trouble(a))}
          />
        )}
      </Shown>
    </section>
  )
}

const states = ["healthy", "probation", "degraded", "tripped"]
const trouble = ({ health }: RoutedModel): number => states.indexOf(health.state)
