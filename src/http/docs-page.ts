import { createHash } from "node:crypto"
import { HttpRouter } from "effect/http"
import { HttpApiScalar } from "effect/http-api"
import { type FixedAnswer, makeFixedAnswer } from "./fixed-answer.ts"
import { DocumentedApi } from "./openapi.ts"

/** Scalar without what it would load from its maker's hosts, or offer to send there. */
const scalar = {
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
}

/**
 * Makes the answer of `GET /docs`. A gateway whose page nobody opens does not spend the 12 MiB of memory that its script
 * takes.
 */
export const makeDocsPage = async (): Promise<FixedAnswer> => {
  const { handler, dispose } = HttpRouter.toWebHandler(
    HttpApiScalar.layer(DocumentedApi, { path: "/docs", scalar }),
    { disableLogger: true },
  )
  const html = await (await handler(new Request("http://localhost/docs"))).text()
  await dispose()
  return makeFixedAnswer(html, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": contentSecurityPolicy(html),
    "referrer-policy": "no-referrer",
  })
}

/** Lets the page's own scripts run and talk to this gateway, and nothing else in or out. */
const contentSecurityPolicy = (html: string): string => {
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, script = ""]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`,
  )
  return [
    "default-src 'none'",
    `script-src ${scripts.join(" ")}`,
    // Scalar puts its styles in as elements and attributes.
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ")
}
