import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { Agent } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { freshPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually } from "../support/process-watch.ts"
import { freePort, Replica } from "../support/Replica.ts"
import { StreamClient } from "../support/StreamClient.ts"
import { endOf } from "../support/StreamHistory.ts"
import { scaled } from "../support/slowness.ts"
import { findTool } from "./tools.ts"

const nginx = findTool("nginx")

/** `deploy/nginx/nginx.conf` with addresses of this machine, in a folder of its own. */
const startNginx = async (
  folder: string,
  port: number,
  urls: ReadonlyArray<string>,
): Promise<ChildProcess> => {
  let next = 0
  const config = readFileSync("deploy/nginx/nginx.conf", "utf8")
    .replace(/10\.0\.0\.\d+:8000/g, () => new URL(urls[next++] ?? "").host)
    .replace("listen 8080;", `listen 127.0.0.1:${port};`)
    .replace("worker_processes auto;", "worker_processes 1;")
  assert.strictEqual(next, urls.length)
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${join(folder, name)};\n`)
    .join("")
  const file = join(folder, "nginx.conf")
  writeFileSync(
    file,
    `pid ${join(folder, "pid")};\nerror_log ${join(folder, "error.log")} warn;\n${config.replace("http {\n", `http {\n${temporary}`)}`,
  )
  const child = spawn(nginx ?? "", ["-p", folder, "-c", file, "-g", "daemon off;"], {
    stdio: ["ignore", "inherit", "inherit"],
  })
  await eventually(
    () =>
      fetch(`http://127.0.0.1:${port}/livez`).then(
        ({ ok }) => ok,
        () => false,
      ),
    10_000,
  )
  return child
}

describe.skipIf(nginx === undefined)("three gateways behind deploy/nginx/nginx.conf", () => {
  it("lose no request while they are restarted one after another, on kept connections and in streams", {
    timeout: scaled(120_000),
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "gateway-nginx-"))
    const upstream = await FakeUpstream.start()
    upstream.respond((exchange) =>
      ok({ text: "one two three four five six", delayMs: 20, msBetween: 60 })(exchange),
    )
    const databaseUrl = await Effect.runPromise(freshPostgresUrl).then(Redacted.value)
    const config = providersYaml(
      [upstream],
      "limits: { requests_per_minute: 1000000, max_event_loop_delay_ms: 60000 }",
    )
    const replicas = await Promise.all([1, 2, 3].map(() => Replica.make({ databaseUrl, config })))
    let proxy: ChildProcess | undefined
    const agent = new Agent({ keepAlive: true })
    try {
      await Promise.all(replicas.map((replica) => replica.start()))
      await Promise.all(replicas.map((replica) => replica.ready()))
      const [first] = replicas
      assert(first !== undefined)
      const { key } = await first.createKey()
      const port = await freePort()
      proxy = await startNginx(
        folder,
        port,
        replicas.map(({ url }) => url),
      )

      const faults: Array<string> = []
      let [asked, stopped] = [0, false]
      const client = async (stream: boolean) => {
        while (!stopped) {
          asked += 1
          const one = new StreamClient({
            ...{ url: `http://127.0.0.1:${port}`, path: "/infer", key, agent },
            body: { prompt: `ask ${asked}`, stream },
          })
          await one.ended
          const whole = one.status === 200 && (!stream || endOf(one.text) === "done")
          if (!whole) faults.push(`${stream ? "stream" : "whole"} ${one.status} ${one.text.slice(0, 300)}`)
        }
      }
      const clients = Array.from({ length: 12 }, (_, i) => client(i % 2 === 0))
      await setTimeout(scaled(500))
      for (const replica of replicas) {
        const before = asked
        assert.strictEqual(await replica.stop(), 0)
        await replica.start()
        await replica.ready()
        await eventually(() => asked > before + 20, 10_000)
      }
      stopped = true
      await Promise.all(clients)
      assert.deepStrictEqual(faults, [])
      assert.isAbove(asked, 100)
      console.log(`${asked} requests through nginx while three gateways were restarted, none failed`)
    } finally {
      agent.destroy()
      if (proxy !== undefined) {
        proxy.kill("SIGTERM")
        if (proxy.exitCode === null) await once(proxy, "exit")
      }
      await Promise.all(replicas.map((replica) => replica.remove()))
      await upstream.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
