/**
 * Lists exports that no other file imports: `export` there promises a reader a use that does not exist. Reads the text
 * and not the types, which the formatter makes regular enough: TypeScript 7 has no stable interface for programs yet.
 *
 *   node scripts/check-exports.ts [directory]
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

const root = resolve(process.argv[2] ?? ".")
const FOLDERS = ["src", "ui", "test", "bench", "scripts", "migrations", "examples"]

/** Tells the project's own files: those of its folders, and the configurations beside them. */
const isOurs = (file: string): boolean =>
  !file.includes("/") || FOLDERS.some((folder) => file.startsWith(`${folder}/`))

const files = new Map(
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => isOurs(file) && /\.m?tsx?$/.test(file))
    .map((file) => [join(root, file), readFileSync(join(root, file), "utf8")] as const),
)

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm
/** `import { a, type b as c } from "./x.ts"`, also across lines; `export … from` is a use like it. */
const NAMED = /^(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"(\.[^"]+)"/gm
/** `import * as x from "./x.ts"` and `import("./x.ts")`: a use of each name that the importing file mentions. */
const WHOLE =
  /^(?:import|export)\s+(?:type\s+)?\*(?:\s+as\s+\w+)?\s+from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/gm

const used = new Map<string, Set<string>>()
const use = (file: string, target: string, names: Iterable<string>) => {
  const path = resolve(dirname(file), target)
  used.set(path, (used.get(path) ?? new Set()).union(new Set(names)))
}
for (const [file, text] of files) {
  for (const [, names = "", target = ""] of text.matchAll(NAMED)) {
    use(
      file,
      target,
      names.split(",").map((name) => /^(?:type\s+)?(\w+)/.exec(name.trim())?.[1] ?? ""),
    )
  }
  for (const [, statically, dynamically] of text.matchAll(WHOLE)) {
    use(file, statically ?? dynamically ?? "", text.match(/\w+/g) ?? [])
  }
}

const unused = [...files].flatMap(([file, text]) =>
  [...text.matchAll(EXPORT)]
    .filter(([, name = ""]) => !used.get(file)?.has(name))
    .map(([, name = ""]) => ({ file, name })),
)
for (const { file, name } of unused) {
  console.error(`${file.slice(root.length + 1)}: ${name} is exported, and no other file imports it`)
}
process.exitCode = unused.length === 0 ? 0 : 1
