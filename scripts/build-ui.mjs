// Builds the page at /ui into ui/dist, unless what is there was built from the same source. Runs before `npm start` and the
// tests, on whatever Node the machine has. Without the tools of development there is nothing to build it with, and the
// gateway says so to whoever opens the page.
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampFile = join(root, "ui/dist/.source")

/** A hash of all that the page is made of. */
const sourceOf = () => {
  const hash = createHash("sha256")
  const files = readdirSync(join(root, "ui"), { recursive: true, encoding: "utf8" })
    .filter((file) => !file.startsWith("dist"))
    .map((file) => join("ui", file))
  for (const file of [...files, "package-lock.json"].sort()) {
    if (statSync(join(root, file)).isFile())
      hash
        .update(file)
        .update("\0")
        .update(readFileSync(join(root, file)))
  }
  return hash.digest("hex")
}

const source = sourceOf()
const built = existsSync(stampFile) ? readFileSync(stampFile, "utf8") : ""
if (built !== source && existsSync(join(root, "node_modules/vite"))) {
  console.error("Building the page at /ui…")
  const { build } = await import("vite")
  await build({ configFile: join(root, "ui/vite.config.ts"), logLevel: "warn" })
  writeFileSync(stampFile, source)
}
