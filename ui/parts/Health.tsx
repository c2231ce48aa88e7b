import type { RoutedModels as RoutedModelsSchema } from "../../src/api/ProvidersApi.ts"
import { get } from "../api.ts"
import { useLoaded } from "../use-loaded.ts"
import { HealthBadge } from "./HealthBadge.tsx"
import { Shown } from "./Shown.tsx"
import { type Column, Table } from "./Table.tsx"
import { Text } from "./Text.tsx"

type RoutedModels = typeof RoutedModelsSchema.Type
type RoutedModel = RoutedModels["data"][number]

const REFRESH_MS = 10_000

const columns: ReadonlyArray<Column<RoutedModel>> = [
  { title: "Provider", cell: ({ provider }) => <Text value={provider} /> },
  { title: "Model", cell: ({ model }) => <Text value={model} /> },
  { title: "Health", cell: ({ health }) => <HealthBadge health={health} /> },
]

/** Who is well and who is not, of all that may be asked: those in trouble first. */
export const Health = () => {
  const models = useLoaded((abort) => get<RoutedModels>("/admin/models", {}, abort), [], REFRESH_MS)
  return (
    <section>
      <h2>Health of providers</h2>
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
