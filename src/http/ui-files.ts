/** The page at `/ui` as it was built: its files are read once, each with what the build compressed. */
import { readdir, readFile } from "node:fs/promises"
import { extname } from "node:path"
import { type FixedAnswer, FOREVER, makeFixedAnswer } from "./fixed-answer.ts"

/** Beside `src/` in the package, and where Vite puts it in a checkout. */
const folder = new URL(extname(import.meta.url) === ".js" ? "../../ui/" : "../../ui/dist/", import.meta.url)

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
}

/** Lets the page's own files run and talk to this gateway, and nothing else in or out. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ")

export interface UiFiles {
  readonly page: FixedAnswer
  /** By name; a name has a hash of what is in it. */
  readonly assets: ReadonlyMap<string, FixedAnswer>
}

/** Returns undefined where the page was not built. */
export const readUiFiles = async (): Promise<UiFiles | undefined> => {
  const page = await readText("index.html").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined
    throw error
  })
  if (page === undefined) return undefined
  const names = await readdir(new URL("assets/", folder))
  const assets = names
    .filter((name) => extname(name) in CONTENT_TYPES)
    .map(async (name) => {
      const headers = { "content-type": CONTENT_TYPES[extname(name)] ?? "", "cache-control": FOREVER }
      return [name, await makeFixedAnswer(await readText(`assets/${name}`), headers)] as const
    })
  return {
    page: await makeFixedAnswer(page, {
      "content-type": "text/html; charset=utf-8",
      // Which files there are is another answer after the next upgrade.
      "cache-control": "no-cache",
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "cross-origin-opener-policy": "same-origin",
      "referrer-policy": "no-referrer",
    }),
    assets: new Map(await Promise.all(assets)),
  }
}

const readText = (name: string): Promise<string> => readFile(new URL(name, folder), "utf8")
