import { isAboutRequest, openCooldownMs, type ProviderErrorKind } from "../../domain/ProviderError.ts"
import type { Fault } from "./Protocol.ts"

/**
 * Makes the fault of a provider's error, with the texts that may be kept. Free text is kept only where it is about the client's
 * own request, in one line and bounded; the log gets identifiers alone, and of an auth failure nothing: such answers quote keys.
 */
export const upstreamFault = (
  kind: ProviderErrorKind,
  said: {
    readonly message?: string | undefined
    readonly param?: string | undefined
    readonly code?: string | undefined
    readonly identifiers: ReadonlyArray<string | undefined>
    readonly retryAfterMs?: number | undefined
  },
): Fault => {
  if (isAboutRequest(kind)) {
    const message = oneLine(said.message, 1000)
    const withheld = concernsAccount(message)
    return {
      kind,
      message: withheld ? ACCOUNT_SENTENCE : message || "The provider refused the request.",
      ...(withheld && { detail: "its words concern the account" }),
      param: oneLine(said.param, 200) || null,
      ...(isIdentifier(said.code) && { code: said.code }),
    }
  }
  const detail = kind === "auth" ? "" : said.identifiers.filter(isIdentifier).join(" ")
  // Seconds are of a minute's limit: Google tells of them where a day's is used up, too.
  const { retryAfterMs = 0 } = said
  const isTooShort = kind === "quota_exhausted" && retryAfterMs < openCooldownMs(kind)
  return {
    kind,
    retryAfterMs: isTooShort ? undefined : said.retryAfterMs,
    detail: detail || undefined,
  }
}

const ACCOUNT_SENTENCE =
  "The provider refused the request, for a reason that the gateway's operator has to look into."

/** Recognizes what is the operator's business, in an error that is not known to be. */
const concernsAccount = (message: string): boolean =>
  /\b(billing|credit balance|purchase (more )?credits|api[ _-]?keys?|(for|your) (organization|account|team|plan|subscription))\b/i.test(
    message,
  )

export const badResponse = (detail: string): Fault => ({ kind: "bad_response", detail })

export const badRequest = (message: string, param: string): Fault => ({ kind: "bad_request", message, param })

/** Cuts a text to one line: control characters and line separators become a space, and no half of a surrogate pair is left at the cut. */
const oneLine = (text: string | undefined, max: number): string =>
  text === undefined
    ? ""
    : text
        .slice(0, max)
        .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
        .toWellFormed()
        .trim()

const isIdentifier = (text: string | undefined): boolean => text !== undefined && /^[\w.-]{1,64}$/.test(text)
