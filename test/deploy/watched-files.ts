import { readFileSync } from "node:fs"
import { Schema } from "effect"
import { Yaml } from "effect/encoding"

/** The dashboard and the alerts, as the tests read them. */

const Panel = Schema.Struct({
  title: Schema.String,
  type: Schema.String,
  targets: Schema.optionalKey(
    Schema.Array(Schema.Struct({ expr: Schema.String, legendFormat: Schema.String })),
  ),
})
const Dashboard = Schema.Struct({
  uid: Schema.String,
  panels: Schema.Array(Panel),
  templating: Schema.Struct({
    list: Schema.Array(Schema.Struct({ name: Schema.String, definition: Schema.optionalKey(Schema.String) })),
  }),
})
const Rules = Schema.Struct({
  groups: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      rules: Schema.Array(
        Schema.Struct({
          alert: Schema.String,
          expr: Schema.String,
          labels: Schema.Struct({ severity: Schema.Literals(["critical", "warning", "info"]) }),
          annotations: Schema.Struct({
            summary: Schema.String,
            description: Schema.String,
            runbook: Schema.String,
          }),
        }),
      ),
    }),
  ),
})

export const dashboard = Schema.decodeSync(Schema.fromJsonString(Dashboard))(
  readFileSync("deploy/grafana/llm-gateway.json", "utf8"),
)
export const alerts = Schema.decodeUnknownSync(Rules)(
  Yaml.parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")),
).groups.flatMap(({ rules }) => rules)

/** Every expression of them, with where it stands. */
export const expressions: ReadonlyArray<{ readonly where: string; readonly expr: string }> = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: `panel ${title}`, expr })),
  ),
  ...dashboard.templating.list.flatMap(({ name, definition }) =>
    definition === undefined ? [] : [{ where: `variable ${name}`, expr: definition }],
  ),
  ...alerts.map(({ alert, expr }) => ({ where: `alert ${alert}`, expr })),
]
