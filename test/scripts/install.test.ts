import { spawnSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"

/** A clone with this repository's lock file, everything in it installed, and an `npm` that only notes its arguments. */
let clone = ""
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "install-"))
  for (const folder of ["scripts", "node_modules", "bin"]) mkdirSync(join(clone, folder))
  copyFileSync("scripts/install.mjs", join(clone, "scripts/install.mjs"))
  copyFileSync("package-lock.json", join(clone, LOCK))
  copyFileSync("node_modules/.package-lock.json", join(clone, INSTALLED))
  writeFileSync(join(clone, "bin/npm"), `#!/bin/sh\necho "$@" > "${join(clone, "called")}"\n`)
  chmodSync(join(clone, "bin/npm"), 0o755)
})
afterEach(() => rmSync(clone, { recursive: true }))

const LOCK = "package-lock.json"
const INSTALLED = "node_modules/.package-lock.json"

/** The arguments that npm was called with, if it was. */
const install = (): string | undefined => {
  const { status, stderr } = spawnSync(process.execPath, [join(clone, "scripts/install.mjs")], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${join(clone, "bin")}${delimiter}${process.env.PATH}` },
  })
  assert.strictEqual(status, 0, stderr)
  return existsSync(join(clone, "called")) ? readFileSync(join(clone, "called"), "utf8") : undefined
}

const edit = (file: string, change: (packages: Record<string, Record<string, unknown>>) => void) => {
  const lock = JSON.parse(readFileSync(join(clone, file), "utf8"))
  change(lock.packages)
  writeFileSync(join(clone, file), JSON.stringify(lock))
}

describe("install.mjs", () => {
  it("installs nothing while the installed packages are the lock's", () => {
    assert.isUndefined(install())
  })

  it("installs in a fresh clone", () => {
    rmSync(join(clone, INSTALLED))
    assert.match(install() ?? "", /^ci /)
  })

  it("installs after a pull that brought another version", () => {
    edit(LOCK, (packages) => Object.assign(packages["node_modules/jose"] ?? {}, { version: "99.0.0" }))
    assert.match(install() ?? "", /^ci /)
  })

  it("installs after a pull that brought other contents of the same version", () => {
    edit(LOCK, (packages) =>
      Object.assign(packages["node_modules/jose"] ?? {}, { integrity: "sha512-other" }),
    )
    assert.match(install() ?? "", /^ci /)
  })

  it("installs after a pull that added a package", () => {
    edit(LOCK, (packages) => Object.assign(packages, { "node_modules/added": { version: "1.0.0" } }))
    assert.match(install() ?? "", /^ci /)
  })

  it("installs after a pull that took a package away", () => {
    edit(LOCK, (packages) => delete packages["node_modules/jose"])
    assert.match(install() ?? "", /^ci /)
  })

  it("misses no package of other platforms", () => {
    edit(LOCK, (packages) =>
      Object.assign(packages, { "node_modules/added": { version: "1.0.0", optional: true } }),
    )
    assert.isUndefined(install())
  })

  it("leaves an installation without development's packages as it is", () => {
    edit(INSTALLED, (packages) => {
      for (const [path, { dev }] of Object.entries(packages)) if (dev) delete packages[path]
    })
    assert.isUndefined(install())
  })

  it("installs when one of development's packages is missing among others", () => {
    edit(INSTALLED, (packages) => delete packages["node_modules/fast-check"])
    assert.match(install() ?? "", /^ci /)
  })
})
