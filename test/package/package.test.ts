import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { processEnv } from "../support/process-env.ts"
import { eventually } from "../support/process-watch.ts"
import { scaled } from "../support/slowness.ts"

const run = promisify(execFile)
const root = join(import.meta.dirname, "../..")

/** What npm makes of the repository, installed where nothing else is. */
const install = async (folder: string): Promise<ReadonlyArray<string>> => {
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
  // Scripts that run before may print too.
  const [packed] = Object.values<{ filename: string; files: Array<{ path: string }> }>(
    JSON.parse(stdout.slice(stdout.search(/^[[{]/m))),
  )
  assert.isDefined(packed)
  await writeFile(join(folder, "package.json"), "{}")
  await run("npm", ["install", "--no-audit", "--no-fund", join(folder, packed.filename)], { cwd: folder })
  return packed.files.map(({ path }) => path)
}

describe("the package", () => {
  it("installs by one line, starts in an empty folder, and answers the command that it prints", {
    timeout: scaled(180_000),
  }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "gateway-package-"))
    let child: ChildProcess | undefined
    try {
      const files = await install(folder)
      assert.deepStrictEqual(
        files.filter((file) => !/^(dist\/|README|LICENSE|CHANGELOG|package\.json|\.env\.example)/.test(file)),
        [],
      )
      assert.deepStrictEqual(
        files.filter((file) => /\.ts$/.test(file) && !file.endsWith(".d.ts")),
        [],
      )

      const empty = join(folder, "empty")
      await mkdir(empty)
      const startedAt = performance.now()
      let output = ""
      const env = { ...processEnv, PORT: "0" }
      child = spawn("npx", ["--no", "llm-gateway", "--", "--data-dir", "../state"], {
        cwd: empty,
        env,
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      })
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding("utf8").on("data", (text: string) => {
          output += text
        })
      }
      const credentials = join(folder, "state/first-start.txt")
      await eventually(async () => existsSync(credentials) && output.includes("First start"), 60_000)
      const curl = /^ {2}(curl .*\/infer .*)$/m.exec(readFileSync(credentials, "utf8"))?.[1]
      assert.isDefined(curl, output)
      const url = /listening on (http:\S+)/.exec(output)?.[1]
      const page = await (await fetch(`${url}/ui`)).text()
      const script = /src="(\/ui\/assets\/[^"]+\.js)"/.exec(page)?.[1]
      assert.strictEqual((await fetch(`${url}${script}`)).status, 200, page)
      const { stdout } = await run("sh", ["-c", curl], { cwd: empty })
      const answer = JSON.parse(stdout)
      assert.isString(answer.output, stdout)
      assert.isBelow(performance.now() - startedAt, scaled(30_000))
      assert.deepStrictEqual(await readdir(empty), [])

      const list = ["--no", "llm-gateway", "--", "keys", "list", "--json", "--data-dir", "../state"]
      const keys = await run("npx", list, { cwd: empty, env })
      assert.deepStrictEqual(
        JSON.parse(keys.stdout).data.map(({ name }: { name: string }) => name),
        ["demo"],
      )
      const importing =
        'import { GatewayApi } from "llm-inference-gateway/api"; console.log(GatewayApi.identifier)'
      const client = await run("node", ["--input-type=module", "--eval", importing], { cwd: folder })
      assert.strictEqual(client.stdout.trim(), "llm-gateway")

      const ended = once(child, "close")
      process.kill(-(child.pid ?? 0), "SIGTERM")
      await ended
      assert.notInclude(output, "Error")
    } finally {
      if (child?.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), "SIGKILL")
      await rm(folder, { recursive: true, force: true })
    }
  })
})
