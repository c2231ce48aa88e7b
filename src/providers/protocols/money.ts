import { sentences } from "./sentences.ts"

/**
 * What vendors say of an account that has to be paid for, or that is at the limit its owner set: the operator's business, of
 * which no client reads. A sentence that begins like that is about the account; anywhere else it may be quoted.
 */
const PHRASES: ReadonlyArray<RegExp> = [
  // Anthropic, DeepSeek, SiliconFlow, Google ("Your prepayment credits are depleted").
  /(the |your |this )?((account|api|credit|paid|pre-?paid|prepayment|wallet|team|workspace|organi[sz]ation) ){0,3}(credits?|balance|funds|wallet)\b( \w+){0,4} (too low|insufficient|not enough|depleted|exhausted|used up|run out|overdue|expired|negative)\b/,
  /(insufficient|not enough|no( remaining)?) ((account|api|credit|available|wallet) )?(balances?|credits?|funds)\b/,
  // Claude's subscriptions, OpenRouter.
  /(you('re|’re| are| have run)|((your|this|the) )?(account|team|workspace|organi[sz]ation|project) (is|has run)|run) out of (extra usage|credits?|funds|balance|money)\b/,
  /extra usage is required\b/,
  // xAI.
  /your (newly created )?team (\S+ )?(doesn't have any credits|has either used all)/,
  // Anthropic, OpenAI, Google ("Your project has exceeded its monthly spending cap").
  /(you('ve|’ve| have)|(your|this|the) (current |own |api )?(team|workspace|organi[sz]ation|account|project|key|plan|subscription)( [\w-]+)? has) (reached|exceeded|hit) (your |its |the )?(\w+ ){0,3}((spend(ing)?|billing|credit) (limit|cap|budget)|((api )?usage|monthly|weekly) limits?)\b(?!.{0,80}\bper (second|minute|hour)\b)/,
  // OpenRouter, Together, OpenAI, LiteLLM.
  /((api )?key( budget)?|credit|budget|billing( hard)?|spend(ing)?|weekly\/monthly) limit( has been)? (reached|exceeded|exhausted)\b/,
  /(budget has been exceeded|exceededbudget(: .{1,120}? over budget)?)\b/,
  /(please |you must |you need to )?(recharge|top[ -]?up|add (more )?(credits?|funds)|(buy|purchase) (more )?credits?)\b/,
  /payment (is )?(required|overdue)\b/,
  /there is an issue with your billing\b/,
  /the selected model requires paid balance\b/,
  /your (subscription|plan|trial|free (tier|trial)) (has|is) (expired|ended|over)\b/,
  // Fireworks, OpenAI, Alibaba.
  /account \S+ is suspended\b/,
  /your account is not active\b/,
  /access denied, please make sure your account is in good standing\b/,
  // Zhipu, New API and others in China: a balance, an allowance, a debt.
  /(您的|你的|当前|该|用户)?(账户|账号|帐户|帐号|令牌|用户)?的?(可用)?(余额|额度|资源包)[^，。,.]{0,6}(不足|用尽|用完|耗尽)/,
  /(您的|你的)?(账户|账号|帐户|帐号)?已?欠费/,
  /请(先)?充值|预扣费额度失败/,
]

const anyOf = PHRASES.map(({ source }) => source).join("|")

/** An apology, or Alibaba's number of the error. */
const BEFORE = String.raw`\W{0,3}(sorry, |error: |<\d+> InternalError\.Algo\.\w+: )?`

/** Recognizes a vendor's sentences that are about the account's money. */
export const ABOUT_MONEY = sentences(`${BEFORE}(${anyOf})`)

/** Recognizes words about it anywhere. */
export const MENTIONS_MONEY = new RegExp(`(?<![a-z])(${anyOf})`, "i")
