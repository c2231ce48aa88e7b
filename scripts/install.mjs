// Runs before every npm script on whatever Node the machine has: a fresh clone installs itself, and so does one whose
// lock file asks for other packages than those that are installed, as after `git pull`.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Packages by path; nothing when there is no such file. */
const packagesOf = (lockFile) => {
  try {
    const { "": _, ...packages } = JSON.parse(readFileSync(join(root, lockFile), "utf8")).packages
    return packages
  } catch (error) {
    if (error.code === "ENOENT") return undefined
    throw error
  }
}

/**
 * True when each installed package is the lock's, byte for byte, and none is missing but those that npm leaves out:
 * the ones for other platforms, and all of development's with `--omit=dev`.
 */
const upToDate = () => {
  const locked = packagesOf("package-lock.json")
  // npm writes this file when an installation is complete.
  const installed = packagesOf("node_modules/.package-lock.json")
  if (locked === undefined || installed === undefined) return false
  const withDev = Object.values(installed).some(({ dev }) => dev)
  return (
    Object.entries(installed).every(
      ([path, { version, integrity }]) =>
        locked[path]?.version === version && locked[path]?.integrity === integrity,
    ) &&
    Object.entries(locked).every(
      ([path, { optional, dev }]) => path in installed || optional || (dev && !withDev),
    )
  )
}

if (!upToDate()) {
  console.error("Installing dependencies (npm ci)…")
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  })
}
