/** What `include` is told so that reasoning comes with the answer, and nothing needs to be stored. */
export const ENCRYPTED = "reasoning.encrypted_content"

/** Tells whether only Responses answer for a model. */
export const isForResponses = (model: string): boolean =>
  /^(ft:)?(o\d(-mini)?-(pro|deep-research)|gpt-\d+(\.\d+)?-(pro|codex)|codex-)/.test(model)

/** Tells whether Responses answer for a model at all: those that hear, speak or search are for chat completions alone. */
export const takesResponses = (model: string): boolean =>
  !/-(audio|search-(preview|api))|^gpt-audio/.test(model)

/**
 * Tells whether chat completions refuse tools at this effort: from gpt-5.4 on at any but `none`, which is what that version
 * does when nothing is said; later ones reason then.
 */
export const refusesToolsInChat = (model: string, effort: unknown): boolean => {
  const [, major, minor = "0"] = /^(?:ft:)?gpt-(\d+)(?:\.(\d+))?(?!.*chat)/.exec(model) ?? []
  if (major === undefined || effort === "none") return false
  const version = Number(major) * 100 + Number(minor)
  return version >= (effort === undefined || effort === null ? 505 : 504)
}

/** Tells whether a model reasons; others refuse to be asked for it. */
export const reasons = (model: string): boolean => /^(ft:)?(o\d|gpt-([5-9]|\d\d)(?!.*chat))/.test(model)
