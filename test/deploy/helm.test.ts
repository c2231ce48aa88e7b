import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Yaml } from "effect/encoding"
import { emptyFile, parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { builtinSchemas, customSchema } from "./schemas.ts"
import { findSchemas, findTool, run } from "./tools.ts"

/** What the chart makes of values: those in its `ci/`, and wrong ones. */

const chart = "deploy/helm/llm-gateway"
const files = readdirSync(`${chart}/ci`)
const helm = findTool("helm")

// biome-ignore lint/suspicious/noExplicitAny: what Helm writes, which the schemas of Kubernetes check.
type Rendered = any

const render = (file: string, ...args: ReadonlyArray<string>) => {
  assert(helm !== undefined)
  return run(helm, [
    "template",
    "r",
    chart,
    "--namespace=prod",
    "--is-upgrade",
    "--kube-version=1.34.0",
    `--values=${chart}/ci/${file}.yaml`,
    ...args,
  ])
}

const rendered = new Map<string, ReadonlyArray<Rendered>>()
const objects = (file: string, ...args: ReadonlyArray<string>): ReadonlyArray<Rendered> => {
  const key = [file, ...args].join(" ")
  const made = rendered.get(key) ?? renderObjects(file, ...args)
  rendered.set(key, made)
  return made
}

const renderObjects = (file: string, ...args: ReadonlyArray<string>): ReadonlyArray<Rendered> => {
  const { output, status, stdout } = render(file, ...args)
  assert.strictEqual(status, 0, output)
  return stdout
    .split(/^---$/m)
    .map((text) => Yaml.parse(text))
    .filter((object) => object !== null && object !== undefined)
}

const one = (all: ReadonlyArray<Rendered>, kind: string, name?: string): Rendered => {
  const found = all.filter(
    (each) => each.kind === kind && (name === undefined || each.metadata.name === name),
  )
  assert.lengthOf(found, 1, `${kind} ${name ?? ""}`)
  return found[0]
}

/** Pods that are made, with the object that makes them. */
const podsOf = (all: ReadonlyArray<Rendered>): ReadonlyArray<Rendered> =>
  all.flatMap((each) => (each.spec?.template === undefined ? [] : [each.spec.template]))

describe.skipIf(helm === undefined)("helm", () => {
  it.each(files)("finds nothing to complain about with %s", (file) => {
    assert(helm !== undefined)
    const { output, status } = run(helm, ["lint", "--strict", chart, "--values", join(chart, "ci", file)])
    assert.strictEqual(status, 0, output)
  })

  it("makes gateways that are replaced without a gap, and have the time to stop", () => {
    const { spec } = one(objects("minimal"), "Deployment")
    assert.deepStrictEqual(spec.strategy, {
      type: "RollingUpdate",
      rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
    })
    const pod = spec.template.spec
    const [gateway] = pod.containers
    assert.strictEqual(gateway.lifecycle.preStop.sleep.seconds, 5)
    // preStop, drain_ms, and 40 s: 0.5 of notice, 25 for keyed runs, 5 for the ledger, 2 for telemetry, and some to spare.
    assert.strictEqual(pod.terminationGracePeriodSeconds, 5 + emptyFile.timeouts.drainMs / 1000 + 40)
    assert.strictEqual(gateway.livenessProbe.httpGet.path, "/livez")
    assert.strictEqual(gateway.startupProbe.httpGet.path, "/livez")
    assert.strictEqual(gateway.readinessProbe.httpGet.path, "/readyz")
    assert.deepStrictEqual(pod.volumes, [{ name: "data", emptyDir: { sizeLimit: "2Gi" } }])
  })

  it("gives them longer when the file lets requests take longer", () => {
    const { spec } = one(objects("per-pod"), "StatefulSet")
    assert.strictEqual(spec.template.spec.terminationGracePeriodSeconds, 5 + 91 + 40)
    assert.strictEqual(
      one(objects("autoscaled"), "Deployment").spec.template.spec.terminationGracePeriodSeconds,
      120,
    )
  })

  it.each(files)("makes no pod with rights or with a root that it can write to, with %s", (file) => {
    const pods = podsOf(objects(file.replace(".yaml", "")))
    assert.isAbove(pods.length, 0)
    for (const { spec } of pods) {
      assert.isFalse(spec.automountServiceAccountToken)
      assert.isTrue(spec.securityContext.runAsNonRoot)
      assert.deepStrictEqual(spec.securityContext.seccompProfile, { type: "RuntimeDefault" })
      for (const container of spec.containers) {
        assert.deepStrictEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        })
        assert.isDefined(container.resources.limits.memory)
      }
    }
  })

  it("runs pods as the user of the image, who may write to the journal", () => {
    const [, uid] = /^USER (\d+):/m.exec(readFileSync("deploy/Dockerfile", "utf8")) ?? []
    for (const { spec } of podsOf(objects("minimal"))) {
      assert.strictEqual(String(spec.securityContext.runAsUser), uid)
      assert.strictEqual(String(spec.securityContext.fsGroup), uid)
    }
  })

  it("takes secrets from a Secret alone, and makes none unless it is told to", () => {
    const referred = objects("minimal")
    assert.isFalse(referred.some(({ kind }) => kind === "Secret"))
    for (const { spec } of podsOf(referred)) {
      assert.deepStrictEqual(spec.containers[0].envFrom, [{ secretRef: { name: "llm-gateway" } }])
    }
    const made = objects("autoscaled")
    assert.strictEqual(one(made, "Secret").stringData.OPENAI_API_KEY, "sk-x")
    const others = made.filter(({ kind }) => kind !== "Secret")
    assert.notMatch(JSON.stringify(others), /sk-x|secret@db/)
  })

  it.each(files)("names settings that there are, with %s", (file) => {
    const example = readFileSync(".env.example", "utf8")
    for (const { spec } of podsOf(objects(file.replace(".yaml", "")))) {
      for (const { name } of spec.containers[0].env) assert.match(example, new RegExp(`^${name}=`, "m"))
    }
  })

  it("mounts the file as a directory, and replaces gateways when it changes", () => {
    const all = objects("per-pod")
    const template = one(all, "StatefulSet").spec.template
    const [gateway] = template.spec.containers
    const mount = gateway.volumeMounts.find(({ name }: { name: string }) => name === "config")
    assert.deepStrictEqual(mount, { name: "config", mountPath: "/etc/llm-gateway", readOnly: true })
    const path = gateway.env.find(({ name }: { name: string }) => name === "GATEWAY_CONFIG").value
    assert.strictEqual(path, "/etc/llm-gateway/gateway.yaml")
    const parsed = parseGatewayFile(one(all, "ConfigMap", "r-llm-gateway").data["gateway.yaml"])
    assert(Result.isSuccess(parsed), JSON.stringify(parsed))
    assert.strictEqual(parsed.success.ledger.journalMaxBytes, 3_221_225_472)
    assert.strictEqual(parsed.success.timeouts.drainMs, 90_500)
    const sum = (each: Rendered) => each.metadata.annotations["checksum/config"]
    const changed = one(objects("per-pod", "--set", "config.timeouts.drain_ms=1000"), "StatefulSet").spec
      .template
    assert.notStrictEqual(sum(changed), sum(template))
  })

  it("keeps a claim for each pod, or shares one, as the journal is told to be", () => {
    const { spec } = one(objects("per-pod"), "StatefulSet")
    assert.strictEqual(spec.volumeClaimTemplates[0].spec.resources.requests.storage, "5Gi")
    assert.isFalse(spec.template.spec.volumes.some(({ name }: { name: string }) => name === "data"))
    const [volume] = one(objects("autoscaled"), "Deployment").spec.template.spec.volumes
    assert.deepStrictEqual(volume, { name: "data", persistentVolumeClaim: { claimName: "journals" } })
  })

  it("leads clients to their own routes and nowhere else", () => {
    const [rule] = one(objects("per-pod"), "Ingress").spec.rules
    assert.deepStrictEqual(rule.http.paths[0].backend.service, {
      name: "r-llm-gateway",
      port: { name: "http" },
    })
    const [{ backendRefs }] = one(objects("autoscaled"), "HTTPRoute").spec.rules
    assert.deepStrictEqual(backendRefs, [{ name: "r-llm-gateway", port: 80 }])
    const ports = one(objects("per-pod"), "Service", "r-llm-gateway").spec.ports
    assert.deepStrictEqual(
      ports.map(({ targetPort }: { targetPort: string }) => targetPort),
      ["http"],
    )
  })

  it("leads operators to the port that the gateway has for them", () => {
    const all = objects("minimal")
    const [port] = one(all, "Service", "r-llm-gateway-admin").spec.ports
    const [gateway] = one(all, "Deployment").spec.template.spec.containers
    const value = (setting: string) =>
      gateway.env.find(({ name }: { name: string }) => name === setting).value
    const number = (named: string) =>
      gateway.ports.find(({ name }: { name: string }) => name === named).containerPort
    assert.strictEqual(port.targetPort, "admin")
    assert.strictEqual(String(number("admin")), value("ADMIN_PORT"))
    assert.strictEqual(String(number("http")), value("PORT"))
  })

  it.each(files)("selects gateways and nothing else, with %s", (file) => {
    const all = objects(file.replace(".yaml", ""))
    const labels = (all.find(({ kind }) => kind === "Deployment" || kind === "StatefulSet") as Rendered).spec
      .template.metadata.labels
    const migration = all.find(({ kind }) => kind === "Job")?.spec.template.metadata.labels
    const selectors = all.flatMap(({ kind, spec }) =>
      kind === "Service"
        ? [spec.selector]
        : kind === "NetworkPolicy"
          ? [spec.podSelector.matchLabels]
          : ["Deployment", "StatefulSet", "PodDisruptionBudget"].includes(kind)
            ? [spec.selector.matchLabels]
            : [],
    )
    assert.isAbove(selectors.length, 2)
    for (const selector of selectors) {
      const chosen = (of: Record<string, string>) =>
        Object.entries(selector).every(([key, value]) => of[key] === value)
      assert.isTrue(chosen(labels))
      if (migration !== undefined) assert.isFalse(chosen(migration))
    }
  })

  it("migrates before an upgrade, with the new image", () => {
    const job = one(objects("minimal"), "Job")
    assert.strictEqual(job.metadata.annotations["helm.sh/hook"], "pre-upgrade")
    const [container] = job.spec.template.spec.containers
    assert.deepStrictEqual(container.command, ["llm-gateway", "migrate"])
    assert.strictEqual(container.image, "registry.example.com/llm-gateway:0.1.0")
  })

  it("scales by what it is told to", () => {
    const metrics = (file: string) =>
      one(objects(file), "HorizontalPodAutoscaler").spec.metrics.map(
        (each: Rendered) => each.resource?.name ?? each.pods.metric.name,
      )
    assert.deepStrictEqual(metrics("autoscaled"), ["cpu", "gateway_in_flight_requests"])
    assert.deepStrictEqual(metrics("recreated"), ["gateway_in_flight_requests"])
    assert.notProperty(one(objects("autoscaled"), "Deployment").spec, "replicas")
  })

  it("ships the alerts and the dashboard as they are, and has the operators' Service scraped", () => {
    const all = objects("per-pod")
    assert.deepStrictEqual(
      one(all, "PrometheusRule").spec,
      Yaml.parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")),
    )
    assert.deepStrictEqual(
      JSON.parse(one(all, "ConfigMap", "r-llm-gateway-dashboard").data["llm-gateway.json"]),
      JSON.parse(readFileSync("deploy/grafana/llm-gateway.json", "utf8")),
    )
    const { spec } = one(all, "ServiceMonitor")
    const service = one(all, "Service", "r-llm-gateway-admin")
    for (const [key, value] of Object.entries(spec.selector.matchLabels)) {
      assert.strictEqual(service.metadata.labels[key], value)
    }
    assert.strictEqual(service.spec.ports[0].name, spec.endpoints[0].port)
  })

  it.each([
    ["image.repository=", "image.repository is required"],
    ["secrets.existingSecret=", "secrets.existingSecret is required"],
    ["secrets.create=true", "one of them, not both"],
    ["strategy=Sometimes", "strategy"],
    ["settings.HOST=::1", "HOST"],
    ["settings.DATABASE_URL=postgres://x", "DATABASE_URL"],
    ["replica=3", "replica"],
    ["journal.type=shared", "journal.existingClaim is required"],
    ["ingress.enabled=true", "ingress.hosts is required"],
    ["httpRoute.enabled=true", "httpRoute.parentRefs is required"],
    ["ports.http=0", "ports/http"],
  ])("refuses %s and says why", (wrong, why) => {
    const { output, status } = render("minimal", "--set", wrong)
    assert.notStrictEqual(status, 0)
    assert.include(output, why)
  })
})

const operators = {
  HTTPRoute: ["gateway.networking.k8s.io_httproutes.yaml", "v1"],
  ServiceMonitor: ["monitoring.coreos.com_servicemonitors.yaml", "v1"],
  PrometheusRule: ["monitoring.coreos.com_prometheusrules.yaml", "v1"],
} as const
const isCustom = (kind: string): kind is keyof typeof operators => kind in operators

describe.each(["v1.30.0-local-strict", "v1.37.0-local-strict"])("the schemas of Kubernetes %s", (version) => {
  const folder = findSchemas(version)

  it.skipIf(helm === undefined || folder === undefined).each(files)("take what %s makes", (file) => {
    const schemaOf = builtinSchemas(join(folder ?? "", version))
    for (const object of objects(file.replace(".yaml", ""))) {
      if (isCustom(object.kind)) continue
      const check = schemaOf(object)
      assert.isTrue(check(object), `${object.kind}: ${JSON.stringify(check.errors)}`)
    }
  })

  it.skipIf(helm === undefined || folder === undefined)("would refuse a field that there is not", () => {
    const deployment = one(objects("minimal"), "Deployment")
    const check = builtinSchemas(join(folder ?? "", version))(deployment)
    assert.isFalse(check({ ...deployment, spec: { ...deployment.spec, replica: 1 } }))
  })
})

describe("the schemas of operators", () => {
  const folder = findSchemas(operators.HTTPRoute[0])

  it.skipIf(helm === undefined || folder === undefined)("take what the chart makes for them", () => {
    const all = [...objects("per-pod"), ...objects("autoscaled")].filter(({ kind }) => isCustom(kind))
    assert.sameMembers(
      all.map(({ kind }) => kind),
      Object.keys(operators),
    )
    for (const object of all) {
      const [file, version] = operators[object.kind as keyof typeof operators]
      const check = customSchema(join(folder ?? "", file), version)
      assert.isTrue(check(object), `${object.kind}: ${JSON.stringify(check.errors)}`)
      assert.isFalse(check({ ...object, spec: { ...object.spec, nothing: 1 } }), object.kind)
    }
  })
})
