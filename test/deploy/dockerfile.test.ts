import { existsSync, globSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const manifest = JSON.parse(readFileSync("package.json", "utf8"))
const dockerfile = readFileSync("deploy/Dockerfile", "utf8").replaceAll("\\\n", " ")
const lines = dockerfile.split("\n").filter((line) => line !== "" && !line.startsWith("#"))

/** What stands behind each instruction of the kind. */
const all = (instruction: string): ReadonlyArray<string> =>
  lines
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length).trim())

const one = (instruction: string): string => {
  const found = all(instruction)
  assert.lengthOf(found, 1, instruction)
  return found[0] ?? ""
}

/** A command without a shell, which would keep signals to itself. */
const command = (text: string): ReadonlyArray<string> => {
  const words: unknown = JSON.parse(text.slice(text.indexOf("[")))
  assert(Array.isArray(words) && words.every((word) => typeof word === "string"))
  return words
}

/** The source of what `npm run build` puts into the image. */
const sourceOf = (path: string | undefined) =>
  path?.replace(/^\/app\/dist\//, "").replace(/\.js$/, ".ts") ?? ""

describe("deploy/Dockerfile", () => {
  it("has the Node that is tested and the version of the package", () => {
    const values = Object.fromEntries(all("ARG").map((arg) => arg.split("=")))
    assert.strictEqual(values.NODE_VERSION, manifest.devDependencies.node)
    assert.strictEqual(values.VERSION, manifest.version)
    for (const image of all("FROM")) assert.include(image, `node:\${NODE_VERSION}-`)
  })

  it("starts the gateway as npm start does, but for the cache of compiled code", () => {
    const [node, ...args] = command(one("ENTRYPOINT"))
    const main = args.pop()
    assert.strictEqual(node, "node")
    assert.strictEqual(sourceOf(main), "src/main.ts")
    assert.strictEqual(
      manifest.scripts.start,
      `node ${args.join(" ")} --import ./scripts/compile-cache.mjs src/main.ts`,
    )
  })

  it("runs only scripts of the package that there are, and none of other packages", () => {
    const scripts = [...dockerfile.matchAll(/npm run (\S+)/g)].map(([, name = ""]) => name)
    assert.deepStrictEqual(scripts, ["build"])
    for (const name of scripts) assert.property(manifest.scripts, name)
    for (const [installing] of dockerfile.matchAll(/npm ci [^&\n]*/g))
      assert.include(installing, "--ignore-scripts")
  })

  it("has the commands by the name that the package gives them", () => {
    const [[name, file] = []] = Object.entries<string>(manifest.bin)
    assert.include(dockerfile, `ln -s /app/${file} /out/usr/local/bin/${name}`)
    assert.include(dockerfile, `chmod 755 /out/app/${file}`)
  })

  it("looks after its health with a file that is there, by a command without a shell", () => {
    const [node, file, ...rest] = command(one("HEALTHCHECK"))
    assert.strictEqual(node, "node")
    assert.isTrue(existsSync(sourceOf(file)), file)
    assert.deepStrictEqual(rest, [])
  })

  it("runs as a user that Kubernetes can tell from root, who owns the volume", () => {
    const user = one("USER")
    assert.match(user, /^[1-9]\d*:[1-9]\d*$/)
    assert.include(all("COPY"), `--from=build --chown=${user} /data /data`)
    assert.strictEqual(one("VOLUME"), "/data")
    assert.match(one("ENV"), /\bDATA_DIR=\/data\b/)
  })

  it("runs nothing in the last stage, so that no platform has to be emulated", () => {
    const last = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")))
    assert.isFalse(last.some((line) => line.startsWith("RUN ")))
    assert.match(lines.find((line) => line.startsWith("FROM ")) ?? "", /--platform=\$BUILDPLATFORM/)
  })

  it("gets what it needs from the clone and nothing else, above all no secrets", () => {
    const [first, ...rest] = readFileSync("deploy/Dockerfile.dockerignore", "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
    assert.strictEqual(first, "*")
    for (const pattern of rest) {
      assert.match(pattern, /^![\w*.-]+$/)
      assert.isAbove(globSync(pattern.slice(1)).length, 0, pattern)
    }
    const admitted = rest.flatMap((pattern) => globSync(pattern.slice(1)))
    for (const needed of ["package.json", "package-lock.json", "LICENSE", "src", "migrations"]) {
      assert.include(admitted, needed)
    }
    assert.isFalse(
      admitted.some((path) => path.startsWith(".") || path === "data" || path === "node_modules"),
    )
  })
})
