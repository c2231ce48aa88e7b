import { execFileSync } from "node:child_process"
import axe from "axe-core"
import { type Browser as Chromium, chromium, type Page } from "playwright-core"

/** Where a Chromium is that the machine brings; undefined: it has none. */
const executablePath = (): string | undefined => {
  const { CHROMIUM_PATH } = process.env
  if (CHROMIUM_PATH !== undefined) return CHROMIUM_PATH
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
    } catch {
      // The next name.
    }
  }
  return undefined
}

const path = executablePath()

/** Why tests with a browser are skipped; undefined: they are not. */
export const noBrowser =
  path === undefined ? "there is no Chromium: install it, or name one in CHROMIUM_PATH" : undefined
if (noBrowser !== undefined) console.warn(`Tests with a browser are skipped: ${noBrowser}.`)

/** A Chromium of the machine's own. Whatever a page complains of fails the test that opened it: see `faults`. */
export class Browser {
  readonly #chromium: Chromium

  private constructor(chromium: Chromium) {
    this.#chromium = chromium
  }

  static async start(): Promise<Browser> {
    if (path === undefined) throw new Error(noBrowser)
    // Without a user of its own, as in a container, its sandbox does not start; the pages are ours.
    return new Browser(await chromium.launch({ executablePath: path, args: ["--no-sandbox"] }))
  }

  stop(): Promise<void> {
    return this.#chromium.close()
  }

  /** Opens a page that shares nothing with the others. `faults` grows with errors of scripts, of the console and of the policy. */
  async open(
    url: string,
    options: { readonly width?: number; readonly dark?: boolean } = {},
  ): Promise<{ readonly page: Page; readonly faults: Array<string> }> {
    const context = await this.#chromium.newContext({
      viewport: { width: options.width ?? 1280, height: 900 },
      colorScheme: options.dark === true ? "dark" : "light",
      permissions: ["clipboard-read", "clipboard-write"],
    })
    const page = await context.newPage()
    const faults: Array<string> = []
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") faults.push(message.text())
    })
    page.on("pageerror", (error) => faults.push(String(error)))
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) faults.push(`asked ${request.url()}`)
    })
    await page.goto(url)
    return { page, faults }
  }
}

/** What axe finds on the page that keeps people out: violations of level A and AA, serious or worse. */
export const barriers = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() =>
    // biome-ignore lint/suspicious/noExplicitAny: the page's own, put there a line above
    (globalThis as any).axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
  )
  return violations
    .filter(({ impact }: { impact: string }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, nodes }: { id: string; nodes: ReadonlyArray<{ html: string; failureSummary: string }> }) =>
        `${id}: ${nodes.map(({ failureSummary, html }) => `${html} ${failureSummary}`).join(" | ")}`,
    )
}
