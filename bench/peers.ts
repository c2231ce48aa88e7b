/**
 * Other gateways that npm has, installed into a temporary folder when asked for and never a dependency. Portkey's runs
 * without a key of its own and without a log: it does less than the lane that it stands beside.
 */
import { type ChildProcess, execFile } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { freePort, SUBJECT_CORE, start } from "./processes.ts"
import type { Subject } from "./subject.ts"

const VERSION = "1.15.2"
/** With the newest server library that its range allows, each of its streams ends with 500 ("immutable" headers). */
const MANIFEST = {
  dependencies: { "@portkey-ai/gateway": VERSION },
  overrides: { "@hono/node-server": "1.13.8" },
}
const MS_TO_INSTALL = 300_000

interface Peer {
  readonly subject: Subject
  readonly child: ChildProcess
}

/** Starts Portkey's gateway in front of the mock; fails when npm cannot get it or it does not start. */
export const startPortkey = async (folder: string, mockPort: number): Promise<Peer> => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify(MANIFEST))
  await promisify(execFile)(
    "npm",
    ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
    { cwd: folder, timeout: MS_TO_INSTALL },
  )
  const home = join(folder, "node_modules/@portkey-ai/gateway")
  const port = await freePort()
  const child = await start(join(home, "build/start-server.js"), [`--port=${port}`, "--headless"], {
    core: SUBJECT_CORE,
    env: { TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost", NODE_ENV: "production" },
    ready: "running",
  })
  return {
    child,
    subject: {
      name: "portkey",
      title: `Portkey ${VERSION}, no key, no log`,
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
