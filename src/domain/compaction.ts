/**
 * A summary that stands for a conversation, as clients of Responses carry it: in an item whose content is for its maker alone.
 * OpenAI encrypts its own. The gateway, which keeps nothing, writes a text behind a mark: it is of the client's own conversation.
 */
const MARK = "gateway-summary-1."

export const sealSummary = (text: string): string => `${MARK}${Buffer.from(text).toString("base64url")}`

/** Returns the summary in an item of the gateway's, in words for the model that goes on from it; undefined for one of others. */
export const openSummary = ({ encrypted_content: content, type }: ItemLike): string | undefined =>
  type === "compaction" && typeof content === "string" && content.startsWith(MARK)
    ? `What was said before, in short:\n\n${Buffer.from(content.slice(MARK.length), "base64url")}`
    : undefined

interface ItemLike {
  readonly type?: unknown
  readonly encrypted_content?: unknown
}
