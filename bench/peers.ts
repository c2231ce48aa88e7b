/**
 * Other gateways that npm has, installed into a temporary folder when asked for and never a dependency. Portkey's runs
 * without a key of its own and without a log: it does less than the lane that it stands beside.
 */
import { type ChildProcess, execFile, execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { freePort, SUBJECT_CORE, start } from "./processes.ts"
import type { Subject } from "./subject.ts"

const PORTKEY = "@portkey-ai/gateway@1.15.2"
const MS_TO_INSTALL = 300_000

/**
 * Returns the machine's own Node, or this one where it has none: Portkey 1.15 is made for Node 20, and on Node 26 each of
 * its streams ends with 500.
 */
const machinesNode = (): string =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => join(folder, "node"))
    .find(existsSync) ?? process.execPath

export interface Peer {
  readonly subject: Subject
  readonly child: ChildProcess
}

/** Starts Portkey's gateway in front of the mock; fails when npm cannot get it or it does not start. */
export const startPortkey = async (folder: string, mockPort: number): Promise<Peer> => {
  await promisify(execFile)(
    "npm",
    [
      ...["install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
      PORTKEY,
    ],
    { timeout: MS_TO_INSTALL },
  )
  const home = join(folder, "node_modules/@portkey-ai/gateway")
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"))
  const port = await freePort()
  const node = machinesNode()
  const child = await start(join(home, "build/start-server.js"), [`--port=${port}`, "--headless"], {
    core: SUBJECT_CORE,
    node,
    env: { TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost", NODE_ENV: "production" },
    ready: "running",
  })
  return {
    child,
    subject: {
      name: "portkey",
      title: `Portkey ${version} on Node ${execFileSync(node, ["--version"]).toString().trim()}, no key, no log`,
      port,
      pid: child.pid ?? 0,
      peer: true,
      hasLedger: false,
      address: {
        path: "/v1/chat/completions",
        headers: {
          authorization: "Bearer bench",
          "x-portkey-provider": "openai",
          "x-portkey-custom-host": `http://127.0.0.1:${mockPort}/v1`,
        },
      },
    },
  }
}
