import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { findTool, run } from "./tools.ts"
import { dashboard } from "./watched-files.ts"

const promtool = findTool("promtool")
const folder = mkdtempSync(join(tmpdir(), "promtool-"))
afterAll(() => rmSync(folder, { recursive: true }))

const check = (...args: ReadonlyArray<string>) => {
  assert(promtool !== undefined)
  const { output, status } = run(promtool, args)
  assert.strictEqual(status, 0, output)
}

describe.skipIf(promtool === undefined)("promtool", () => {
  it("reads the configuration of compose.yaml and the alerts that it names", () => {
    check("check", "config", "deploy/prometheus/prometheus.yaml")
  })

  it("finds each alert firing on what it is for, and on nothing else", () => {
    check("test", "rules", "deploy/prometheus/alerts.test.yaml")
  })

  it("reads every expression of the dashboard", () => {
    const rules = dashboard.panels
      .flatMap(({ targets = [] }) => targets)
      .map(({ expr }, i) => ({
        record: `panel:${i}`,
        expr: expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".*"),
      }))
    assert.isAbove(rules.length, 40)
    const file = join(folder, "panels.json")
    writeFileSync(file, JSON.stringify({ groups: [{ name: "panels", rules }] }))
    check("check", "rules", "--lint=none", file)
  })
})
