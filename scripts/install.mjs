// Runs before every npm script on whatever Node the machine has: a fresh clone installs itself.
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
if (!existsSync(join(root, "node_modules", ".package-lock.json"))) {
  console.error("Installing dependencies (npm ci), once…")
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  })
}
