import { globSync, readFileSync } from "node:fs"
import { Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { type Samples, samplesOf } from "./exposition.ts"
import { groupingsIn, usesIn } from "./promql.ts"
import { alerts, dashboard, expressions } from "./watched-files.ts"

/**
 * Dashboards and alerts that name a metric which is not there stay empty and silent, and nobody is told. So every name and
 * label in `deploy/` and in the documentation is looked up twice: in `Metrics.ts`, and in what a gateway shows that has
 * served some traffic.
 */

/** What Prometheus, or its operator, adds to each series. */
const OF_THE_TARGET = ["namespace", "job", "instance", "pod"]

/** Every metric of `Metrics.ts`, with a value. An instance of the module of its own, as nothing may be left in the usual one. */
const declared: Effect.Effect<Samples> = Effect.gen(function* () {
  const address = "../../src/observability/Metrics.ts?deploy"
  const module: Record<string, unknown> = yield* Effect.promise(() => import(address))
  for (const [name, value] of Object.entries(module)) {
    if (name === "observe") continue
    const metric: unknown = typeof value === "function" ? value("a", "b", "c") : value
    if (Metric.isMetric(metric)) yield* Metric.update(metric as Metric.Metric<number, unknown>, 1)
  }
  // Exported as the layer that sets it.
  const { layerBuildInfo } = yield* Effect.promise(() => import("../../src/observability/Metrics.ts"))
  return samplesOf(yield* Effect.provide(PrometheusMetrics.format(), layerBuildInfo))
}).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

let catalog: Samples
let live: Samples
let exposition: string
let upstreams: ReadonlyArray<FakeUpstream>
let gateway: GatewayInProcess

beforeAll(async () => {
  catalog = await Effect.runPromise(declared)
  upstreams = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(upstreams),
  })
  const { key } = await gateway.createKey()
  const { key: narrow } = await gateway.createKey({ rpm: 1 })
  const { key: poor } = await gateway.createKey({ budget_usd: 0.000_000_001, budget_window: "total" })
  const ask = async (secret: string, headers: Record<string, string> = {}) => {
    const response = await gateway.infer(secret, { prompt: "Say hello", max_tokens: 5 }, { headers })
    await response.text()
    return response.status
  }
  assert.strictEqual(await ask(key), 200)
  assert.strictEqual(await ask(key, { "idempotency-key": "once" }), 200)
  assert.strictEqual(await ask(key, { "idempotency-key": "once" }), 200)
  await ask(narrow)
  assert.strictEqual(await ask(narrow), 429)
  assert.strictEqual(await ask(poor), 429)
  for (const upstream of upstreams) upstream.respond(failure("serverError"))
  assert.isAtLeast(await ask(key), 500)
  await gateway.ledger(5)
  exposition = await (await fetch(`${gateway.url}/metrics`)).text()
  live = samplesOf(exposition)
})
afterAll(async () => {
  await gateway?.stop()
  await Promise.all(upstreams?.map((upstream) => upstream.stop()) ?? [])
})

/** What a gateway shows only when it was in trouble or killed, drops old days, hedges, has several keys of a provider, or sends telemetry. */
const RARE = [
  "gateway_budget_alerts_total",
  "gateway_config_reloads_total",
  "gateway_hedges_started_total",
  "gateway_hedges_won_total",
  "gateway_ledger_calls_not_noted_total",
  "gateway_ledger_days_dropped_total",
  "gateway_ledger_dropped_total",
  "gateway_ledger_read_failures_total",
  "gateway_ledger_torn_bytes_total",
  "gateway_ledger_write_failures_total",
  "gateway_shed_total",
  "gateway_telemetry_exports_total",
  "gateway_upstream_key_attempts_total",
  "gateway_upstream_key_resting_models",
]

describe("metrics that deploy/ names", () => {
  it("are all that a gateway has, with the labels that it has", () => {
    assert.isAbove(live.size, 30)
    for (const [name, labels] of live) {
      assert.deepStrictEqual([...labels].toSorted(), [...(catalog.get(name) ?? [])].toSorted(), name)
    }
    const missing = new Set(
      expressions
        .flatMap(({ expr }) => usesIn(expr).map(({ name }) => name))
        .filter((name) => !live.has(name)),
    )
    assert.deepStrictEqual([...missing].toSorted(), RARE)
  })

  it("exist, with every label that is asked of them or grouped by", () => {
    const faults: Array<string> = []
    for (const { where, expr } of expressions) {
      const uses = usesIn(expr)
      const known = new Set(OF_THE_TARGET)
      for (const { name, matchers } of uses) {
        const labels = catalog.get(name)
        if (labels === undefined) faults.push(`${where}: ${name}`)
        for (const label of labels ?? []) known.add(label)
        for (const { label } of matchers) {
          if (!labels?.has(label) && !OF_THE_TARGET.includes(label))
            faults.push(`${where}: ${name}{${label}}`)
        }
      }
      for (const label of groupingsIn(expr)) if (!known.has(label)) faults.push(`${where}: by (${label})`)
    }
    assert.deepStrictEqual(faults, [])
  })

  it("have the values that are asked for", () => {
    const words = ["src/observability/Metrics.ts", "src/domain/ProviderError.ts", "src/domain/Budget.ts"]
      .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/"([\w/]+)"/g)])
      .map(([, word = ""]) => word)
    const routes = [...exposition.matchAll(/endpoint="([^"]*)"/g)].map(([, route = ""]) => route)
    const faults: Array<string> = []
    for (const { where, expr } of expressions) {
      for (const { label, value } of usesIn(expr).flatMap(({ matchers }) => matchers)) {
        if (value.startsWith("$") || OF_THE_TARGET.includes(label)) continue
        const alternatives = label === "endpoint" ? [value] : value.split("|")
        const values = label === "endpoint" ? routes : words
        for (const each of alternatives) {
          const pattern = new RegExp(`^(?:${each})$`)
          if (!values.some((known) => pattern.test(known))) faults.push(`${where}: ${label}="${each}"`)
        }
      }
    }
    assert.deepStrictEqual(faults, [])
  })

  it("leave none out on the dashboard", () => {
    const shown = new Set(expressions.flatMap(({ expr }) => usesIn(expr).map(({ name }) => name)))
    const base = (name: string) => name.replace(/_(bucket|count|sum)$/, "")
    const bases = new Set([...shown].map(base))
    assert.deepStrictEqual(
      [...catalog.keys()].filter((name) => !bases.has(base(name))),
      [],
    )
  })

  it("are called so in the documentation, in all of deploy/ and where workers are added up", () => {
    const files = globSync([
      "docs/*.md",
      "README.md",
      "src/observability/sum-metrics.ts",
      "deploy/**/*.{yaml,json,md,txt,tpl}",
    ])
    const names = new Set(
      [...catalog.keys()].flatMap((name) => [name, name.replace(/_(bucket|count|sum)$/, "")]),
    )
    const faults = files.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/\bgateway_[a-z_]*[a-z]\b/g)]
        .map(([name]) => name)
        .filter((name) => !names.has(name) && !NO_METRICS.has(name))
        .map((name) => `${file}: ${name}`),
    )
    assert.deepStrictEqual(faults, [])
    assert.isAbove(files.length, 10)
  })
})

/** Codes of errors. */
const NO_METRICS: ReadonlySet<string> = new Set(["gateway_crashed"])

describe("the dashboard", () => {
  it("asks only for variables that it has", () => {
    const variables = new Set(dashboard.templating.list.map(({ name }) => name))
    const asked = expressions.flatMap(({ expr }) =>
      [...expr.matchAll(/\$(\w+)/g)].map(([, name = ""]) => name),
    )
    for (const name of asked) assert(variables.has(name) || name === "__rate_interval", name)
    for (const name of ["datasource", "provider", "model"]) assert(variables.has(name), name)
  })

  it("names its lines by labels that their expressions keep", () => {
    const faults = dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.flatMap(({ expr, legendFormat }) =>
        [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)]
          .map(([, label = ""]) => label)
          .filter((label) => !groupingsIn(expr).includes(label))
          .map((label) => `${title}: ${label}`),
      ),
    )
    assert.deepStrictEqual(faults, [])
  })
})

describe("alerts", () => {
  it("say what is wrong, what to do and where more of it stands", () => {
    const anchors = new Set(
      [...readFileSync("docs/operations.md", "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w\s-]/g, "")
          .replaceAll(" ", "-"),
      ),
    )
    for (const { alert, annotations } of alerts) {
      assert.match(alert, /^Gateway[A-Z]/)
      assert.isAbove(annotations.description.length, 60, alert)
      const [page, anchor = ""] = annotations.runbook.split("#")
      assert.strictEqual(page, "docs/operations.md", alert)
      assert(anchors.has(anchor), `${alert}: ${anchor}`)
    }
  })

  it("tell of labels that their expressions keep", () => {
    const faults = alerts.flatMap(({ alert, annotations, expr }) => {
      const groupings = groupingsIn(expr)
      const kept =
        groupings.length > 0
          ? groupings
          : [...OF_THE_TARGET, ...usesIn(expr).flatMap(({ name }) => [...(catalog.get(name) ?? [])])]
      return [...`${annotations.summary} ${annotations.description}`.matchAll(/\$labels\.(\w+)/g)]
        .map(([, label = ""]) => label)
        .filter((label) => !kept.includes(label))
        .map((label) => `${alert}: ${label}`)
    })
    assert.deepStrictEqual(faults, [])
  })

  it("have each a test", () => {
    const tests = readFileSync("deploy/prometheus/alerts.test.yaml", "utf8")
    for (const { alert } of alerts) assert.include(tests, `alertname="${alert}"`)
  })
})
