import { Result } from "effect"
import { badResponse } from "../fault.ts"
import { unseenImage, unsupported } from "../lowering.ts"
import type { Protocol } from "../Protocol.ts"
import { parseAnswer, parseNativeAnswer } from "./answer.ts"
import { classify } from "./errors.ts"
import { nativeWriter } from "./native-request.ts"
import { openNativeStream } from "./native-stream.ts"
import { splitAnswer } from "./other-form.ts"
import { lowerChat } from "./request.ts"
import { openStream } from "./stream.ts"
import { readUsage } from "./usage.ts"

const common = {
  usageOf: ({ usage }) => readUsage(usage),
  splitAnswer,
  parseEmbedding: () => Result.fail(badResponse("there are no embeddings")),
  classify,
} satisfies Partial<Protocol>

const noEmbeddings = unsupported("model", "Embeddings are")

/** Anthropic's Messages for clients of chat completions, translated. `limitOf`: the most tokens that a model puts out. */
export const anthropic = (limitOf: (model: string) => number | undefined): Protocol => ({
  ...common,
  lower: (task, model) => {
    if (task._tag === "Embedding") return Result.fail(noEmbeddings)
    const image = unseenImage(task)
    return image === undefined ? lowerChat(model, task.request, limitOf(model)) : Result.fail(image)
  },
  parse: parseAnswer,
  openStream,
})

/** The same for clients that speak it too, and whose bytes are at hand: requests and answers pass as they are. */
export const nativeMessages = (isClaude: (model: string) => boolean): Protocol => ({
  ...common,
  lower: (task, model) =>
    task._tag === "Chat" && task.source !== undefined
      ? Result.succeed(nativeWriter(model, isClaude(model), task, task.source))
      : Result.fail(noEmbeddings),
  parse: parseNativeAnswer,
  openStream: openNativeStream,
})

/** The same of Anthropic, whatever its models are called. */
export const nativeAnthropic: Protocol = nativeMessages(() => true)
