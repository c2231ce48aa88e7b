/**
 * Shows that coding agents work through the gateway: the real Claude Code and Codex CLI do one turn with tools (read a file,
 * edit it, run a command) through each kind of upstream, which a fake stands in for. Everything stays on loopback, in a
 * temporary HOME.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { FakeUpstream } from "../test/support/FakeUpstream.ts"
import { type Behaviour, ok, toolCall } from "../test/support/fake-upstream-behaviours.ts"
import { GatewayProcess } from "../test/support/GatewayProcess.ts"

const HELP = `Usage: npm run verify:agents -- --bin DIR [--agent claude|codex|codex-websocket] [--kind KIND]

  npm install --prefix /tmp/agents @anthropic-ai/claude-code @openai/codex
  npm run verify:agents -- --bin /tmp/agents/node_modules/.bin

  --bin DIR      where \`claude\` and \`codex\` are
  --agent NAME   only this one
  --kind KIND    only this kind of upstream
  --help

Exit code: 0 when every turn was done, 1 when one was not, 2 on wrong usage.
`

/** A turn has three calls of tools and an end, each of which is local. */
const TURN_TIMEOUT_MS = 120_000

interface Kind {
  readonly name: string
  readonly model: string
  readonly config: (upstream: FakeUpstream) => string
}

const price = "price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }"

const kinds: ReadonlyArray<Kind> = [
  {
    name: "openai-compatible",
    model: "m",
    config: ({ openAiBaseUrl }) => `kind: openai-compatible, base_url: "${openAiBaseUrl}"`,
  },
  {
    name: "openai",
    model: "gpt-5.4-mini",
    config: ({ openAiBaseUrl }) => `kind: openai, base_url: "${openAiBaseUrl}"`,
  },
  { name: "gemini", model: "gemini-3.8-flash", config: ({ url }) => `kind: gemini, base_url: "${url}"` },
  { name: "anthropic", model: "claude-sonnet-5", config: ({ url }) => `kind: anthropic, base_url: "${url}"` },
]

interface Agent {
  readonly name: string
  readonly command: string
  readonly args: (model: string) => ReadonlyArray<string>
  readonly env: (gateway: GatewayProcess, key: string) => Readonly<Record<string, string>>
  /** Calls of the agent's own tools, one after the other. */
  readonly steps: (folder: string) => ReadonlyArray<Behaviour>
  /** Codex, which then sends its requests over one WebSocket. */
  readonly usesSocket?: boolean
}

const TASK = "Read a.txt, replace hello by bye in it, then copy it to b.txt."

const codex: Agent = {
  name: "codex",
  command: "codex",
  args: (model) => [
    ...["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"],
    ...["--model", model, TASK],
  ],
  env: (_, key) => ({ GATEWAY_KEY: key }),
  steps: () => [
    toolCall("exec_command", { cmd: "cat a.txt" }, "call_1"),
    toolCall("exec_command", { cmd: "sed -i s/hello/bye/ a.txt" }, "call_2"),
    toolCall("exec_command", { cmd: "cp a.txt b.txt" }, "call_3"),
  ],
}

const agents: ReadonlyArray<Agent> = [
  {
    name: "claude",
    command: "claude",
    args: (model) => ["-p", TASK, "--model", model, "--allowedTools", "Read,Edit,Bash"],
    env: ({ url }, key) => ({
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_AUTH_TOKEN: key,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      DISABLE_TELEMETRY: "1",
    }),
    steps: (folder) => [
      toolCall("Read", { file_path: join(folder, "a.txt") }, "call_1"),
      toolCall(
        "Edit",
        { file_path: join(folder, "a.txt"), old_string: "hello", new_string: "bye" },
        "call_2",
      ),
      toolCall("Bash", { command: "cp a.txt b.txt", description: "Copy it" }, "call_3"),
    ],
  },
  codex,
  { ...codex, name: "codex-websocket", usesSocket: true },
]

const codexConfig = (url: string, { usesSocket = false }: Agent): string => `model_provider = "gateway"
[model_providers.gateway]
name = "gateway"
base_url = "${url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
supports_websockets = ${usesSocket}
`

/** Results of tools in a request, in whatever dialect. */
const resultsIn = (json: unknown): number =>
  JSON.stringify(json).match(/"(tool_call_id|functionResponse|tool_use_id)":|"type":"function_call_output"/g)
    ?.length ?? 0

const run = (command: string, args: ReadonlyArray<string>, cwd: string, env: NodeJS.ProcessEnv) =>
  new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TURN_TIMEOUT_MS,
    })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk))
    child.stderr.on("data", (chunk: Buffer) => (output += chunk))
    child.once("error", ({ message }) => resolve({ code: null, output: message }))
    child.once("close", (code) => resolve({ code, output }))
  })

/** Has an agent do its turn; returns what went wrong, or undefined. */
const turn = async (bin: string, agent: Agent, kind: Kind): Promise<string | undefined> => {
  const upstream = await FakeUpstream.start()
  const gateway = await GatewayProcess.start({
    env: { PROVIDER_KEY: "sk-a-key-that-everybody-knows" },
    config: `providers:
  - { name: it, ${kind.config(upstream)}, api_key_env: PROVIDER_KEY, models: [{ name: ${kind.model}, ${price} }] }
`,
  })
  const home = mkdtempSync(join(tmpdir(), "gateway-agent-"))
  try {
    const folder = join(home, "work")
    await mkdir(folder)
    await mkdir(join(home, ".codex"))
    writeFileSync(join(home, ".codex/config.toml"), codexConfig(gateway.url, agent))
    writeFileSync(join(folder, "a.txt"), "hello\n")
    const steps = agent.steps(folder)
    upstream.respond((exchange) => {
      const step = steps[resultsIn(exchange.asked.json)]
      const behaviour = step ?? ok({ text: "All three are done." })
      behaviour(exchange)
    })
    const { key } = await gateway.createKey()
    const { code, output } = await run(join(bin, agent.command), agent.args(`it/${kind.model}`), folder, {
      PATH: process.env.PATH,
      HOME: home,
      ...agent.env(gateway, key),
    })
    if (code !== 0) return `ended with ${code}: ${output.slice(-2_000)}`
    if (readFileSync(join(folder, "b.txt"), "utf8") !== "bye\n")
      return `b.txt is not the edited file: ${output}`
    return output.includes("All three are done.") ? undefined : `did not say the end: ${output.slice(-2_000)}`
  } catch (cause) {
    return String(cause)
  } finally {
    await gateway.stop()
    await upstream.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

const { values } = parseArgs({
  options: {
    bin: { type: "string" },
    agent: { type: "string" },
    kind: { type: "string" },
    help: { type: "boolean", default: false },
  },
})
if (values.help || values.bin === undefined) {
  console.log(HELP)
  process.exit(values.help ? 0 : 2)
}
let failed = 0
for (const agent of agents) {
  for (const kind of kinds) {
    if ((values.agent ?? agent.name) !== agent.name || (values.kind ?? kind.name) !== kind.name) continue
    const fault = await turn(values.bin, agent, kind)
    console.log(`${agent.name} through ${kind.name}: ${fault === undefined ? "done" : `FAILED: ${fault}`}`)
    if (fault !== undefined) failed += 1
  }
}
process.exit(failed === 0 ? 0 : 1)
