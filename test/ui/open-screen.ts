import type { Page } from "playwright-core"
import type { Browser } from "../support/Browser.ts"
import { ADMIN_JWT_SECRET, type GatewayClient, issueAdminToken } from "../support/GatewayClient.ts"

/** Opens a screen of the page for somebody who is signed in. */
export const openScreen = async (
  browser: Browser,
  gateway: GatewayClient,
  path: string,
  {
    role = "admin",
    ...options
  }: { readonly role?: "admin" | "viewer"; readonly width?: number; readonly dark?: boolean } = {},
) => {
  const token = await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role })
  const opened = await browser.open(`${gateway.url}${path}#token=${token}`, options)
  await opened.page.getByRole("heading", { level: 1 }).waitFor()
  return opened
}

/** Looks that differ most: light, dark, and a phone. */
export const LOOKS = [{}, { dark: true }, { width: 390 }] as const

/** How many pixels the page is wider than what is seen of it. */
export const overflowOf = (page: Page): Promise<number> =>
  page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth")
