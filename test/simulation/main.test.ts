import { execFile } from "node:child_process"
import { assert, it } from "vitest"

const main = new URL("./main.ts", import.meta.url).pathname

const simulate = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }>(
    (resolve) =>
      execFile(process.execPath, [main, ...args], (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      ),
  )

it("the command runs the worlds of its seeds, and says how many hours were simulated", async () => {
  const { code, stderr, stdout } = await simulate("--seeds", "2", "--from", "5", "--world", "content filter")
  assert.strictEqual(code, 0, stdout)
  assert.match(stderr, /2 of 2 seeds/)
  assert.match(stdout, /^world +seeds +simulated hours +requests +attempts +violations\ncontent filter +2 /)
})

it("the command knows its worlds, and says what it does not understand", async () => {
  const unknown = await simulate("--world", "nowhere")
  assert.strictEqual(unknown.code, 2)
  assert.match(unknown.stderr, /There is no world "nowhere"/)
  assert.match((await simulate("--list")).stdout, /^crashes: gateways die/m)
})
