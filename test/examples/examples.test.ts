import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** `outage.yaml` in the middle of the outage, with nobody exploring. */
const config = readFileSync("examples/outage.yaml", "utf8")
  .replace("down_ms: 10000", "down_ms: 119999")
  .replace("exploration: 0.2", "exploration: 0")

let gateway: GatewayInProcess
let key = ""
beforeAll(async () => {
  gateway = await GatewayInProcess.start({
    config,
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
  })
  ;({ key } = await gateway.createKey())
})
afterAll(() => gateway?.stop())

/** What an example prints, run as its own comment says. */
const run = async (program: string, ...args: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const env = { ...process.env, GATEWAY_URL: gateway.url, GATEWAY_KEY: key }
  const { stdout } = await promisify(execFile)(program, args, { env })
  return stdout.split("\n").filter((line) => line !== "")
}

/** An interpreter that has `examples/requirements.txt`. The workflow brings one; elsewhere these are run by hand. */
const python = process.env.EXAMPLES_PYTHON

describe("examples", () => {
  it("outage.yaml falls back to the other provider while the first is down", async () => {
    const response = await gateway.infer(key, { prompt: "Say hello", max_tokens: 20, explain: true })
    assert.strictEqual(response.status, 200)
    const answer = JSON.stringify(await response.json())
    const outcomes = [...answer.matchAll(/"provider":"(\w+)","model":"[\w-]+","outcome":"(\w+)"/g)]
    assert.deepStrictEqual(
      outcomes.map(([, provider, outcome]) => `${provider}: ${outcome}`),
      ["near: connect", "near: connect", "far: success"],
    )
  })

  it("curl.sh gets one answer for a request and its retry, and a stream", async () => {
    const [first = "", retry = "", ...events] = await run("bash", "examples/curl.sh")
    assert.include(first, '"output"')
    assert.strictEqual(retry, first)
    assert.match(events[0] ?? "", /^data: \{/)
    assert.strictEqual(events.at(-1), "data: [DONE]")
  })

  it("openai.ts prints an answer, who gave it and a stream", async () => {
    const [answer = "", provider = "", stream = ""] = await run(process.execPath, "examples/openai.ts")
    assert.include(answer, "simulated")
    assert.match(provider, /^answered by far for \$\d/)
    assert.include(stream, "simulated")
  })

  if (python !== undefined) {
    it("openai_client.py prints an answer, who gave it and a stream", async () => {
      const [answer = "", provider = "", stream = ""] = await run(python, "examples/openai_client.py")
      assert.include(answer, "simulated")
      assert.match(provider, /^answered by far for \$\d/)
      assert.include(stream, "simulated")
    })

    it("langchain_chat.py prints an answer, its tokens and a stream", async () => {
      const [answer = "", usage = "", stream = ""] = await run(python, "examples/langchain_chat.py")
      assert.include(answer, "simulated")
      assert.match(usage, /'input_tokens': [1-9]/)
      assert.include(stream, "simulated")
    })
  }

  it("begin with three lines that say what they show and how to run them, and the README lists them", () => {
    const readme = readFileSync("README.md", "utf8")
    for (const name of readdirSync("examples").filter((name) => name !== "requirements.txt")) {
      const comment = readFileSync(`examples/${name}`, "utf8")
        .replace(/^#!.*\n/, "")
        .split("\n")
        .slice(0, 3)
      assert.isTrue(
        comment.every((line) => /^(#|\/\/) /.test(line)),
        name,
      )
      assert.match(comment[2] ?? "", /Run: /, name)
      assert.include(readme, `examples/${name}`)
    }
  })
})
