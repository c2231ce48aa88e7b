/**
 * Lists what Markdown names and the repository does not have: files and headings that links go to, and paths and
 * TypeScript files between backticks. Addresses on the web are not asked.
 *
 *   node scripts/check-markdown.ts [directory]
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"

const root = resolve(process.argv[2] ?? ".")
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
  (file) => !/(^|\/)(node_modules|data|coverage|\.git)\//.test(file),
)
const basenames = new Set(files.map((file) => basename(file)))

const read = (file: string): string => readFileSync(file, "utf8").replaceAll(/^( *)```.*?^\1```/gms, "")

/** Names of the places in a page that a link may go to, as GitHub makes them. */
const anchorsOf = (page: string): ReadonlySet<string> =>
  new Set(
    [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  )

const linkFault = (page: string, link: string): boolean => {
  if (/^[a-z]+:/i.test(link)) return false
  const [path = "", anchor] = link.split("#")
  const target = path === "" ? page : resolve(dirname(page), path)
  if (!existsSync(target)) return true
  return anchor !== undefined && !anchorsOf(target).has(anchor)
}

/** `src/http/Server.ts`, `http/Server.ts`, `Server.ts`, `test/http/outage` (of `outage.test.ts`), `test/http/`. */
const pathFault = (page: string, text: string): boolean => {
  if (/^[\w-]+\.m?ts$/.test(text)) return !basenames.has(text)
  const isPath = /^(src|test|bench|scripts|docs|migrations|examples|deploy|\.github|\.ci)\/[\w./-]*$/.test(
    text,
  )
  if (!isPath && !/^[\w.-]+(\/[\w.-]+)+\.(m?ts|md)$/.test(text)) return false
  return ![root, join(root, "src"), dirname(page)].some((base) =>
    ["", ".ts", ".test.ts"].some((ending) => existsSync(join(base, `${text}${ending}`))),
  )
}

const faults = files
  .filter((file) => file.endsWith(".md"))
  .flatMap((file) => {
    const page = join(root, file)
    const text = read(page)
    const prose = text.replaceAll(/`[^`\n]*`/g, "")
    return [
      ...[...prose.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link = ""]) => link)
        .filter((link) => linkFault(page, link)),
      ...[...text.matchAll(/`([^`\n]+)`/g)]
        .map(([, code = ""]) => code)
        .filter((code) => pathFault(page, code)),
    ].map((fault) => `${file}: ${fault} does not exist`)
  })
for (const fault of faults) console.error(fault)
process.exitCode = faults.length === 0 ? 0 : 1
