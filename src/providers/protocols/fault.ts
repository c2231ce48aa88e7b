import { isAboutRequest, openCooldownMs, type ProviderErrorKind } from "../../domain/ProviderError.ts"
import { MENTIONS_MONEY } from "./money.ts"
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
    const message = oneLine(said.message && withoutAccount(said.message), 1000)
    const withheld = concernsAccount(message)
    return {
      kind,
      message: withheld ? inPlaceOf(kind) : message || "The provider refused the request.",
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

/**
 * Makes the fault of a 403 of which nothing is known: it may be about the key, so that neither its words nor its names are
 * kept, and the operator is told that there was one.
 */
export const unknownForbidden = (): Fault => ({
  ...upstreamFault("refused", { identifiers: [] }),
  detail: "a 403 that says nothing that is known",
})

const inPlaceOf = (kind: ProviderErrorKind): string =>
  kind === "content_filter"
    ? "The provider's content policy refused the request."
    : "The provider refused the request, for a reason that the gateway's operator has to look into."

/** Whose account it is, and where its owner can buy more: neither concerns a client, to whom the rest is told. */
const OF_THE_ACCOUNT: ReadonlyArray<RegExp> = [
  // xAI: `Team: 16f2…, API key ID: 8e13…, Model: …`
  /\b(team|organi[sz]ation|org|project|workspace|account|user|api key)( id)?: ?(?=[\w-]*\d)[\w-]{4,}[,;.]? ?/gi,
  // OpenAI: `Request too large for gpt-x in organization org-… on tokens per min`
  / (in|of|for|from) (the |your )?(organi[sz]ation|project|workspace|team|account) [`'"]?(?=\S*[\d_-])[\w-]+[`'"]?/gi,
  /\b(org|proj|user|acct|team|wrkspc)[-_](?=\w*\d)\w{6,}/gi,
  /\barn:aws[\w-]*:\S+/g,
  // OpenRouter.
  / ?\bTo increase, visit .*$/is,
]

const withoutAccount = (message: string): string =>
  OF_THE_ACCOUNT.reduce((text, its) => text.replace(its, ""), message.slice(0, 4_000))

/** Recognizes what is the operator's business, in an error that is not known to be. */
const concernsAccount = (message: string): boolean =>
  /\b(billing|credit balance|purchase (more )?credits|api[ _-]?keys?|(for|your) (organization|account|team|plan|subscription))\b/i.test(
    message,
  ) || MENTIONS_MONEY.test(message)

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
