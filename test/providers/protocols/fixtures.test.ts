import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import type { CallMode } from "../../../src/domain/Chat.ts"
import type { Task } from "../../../src/domain/Task.ts"
import { jsonLimits } from "../../../src/http/body.ts"
import { parseExactJson } from "../../../src/platform/exact-json.ts"
import { scanJson } from "../../../src/platform/json-source.ts"
import { anthropic } from "../../../src/providers/protocols/anthropic/protocol.ts"
import { gemini } from "../../../src/providers/protocols/gemini/protocol.ts"
import { openAiChat } from "../../../src/providers/protocols/openai-chat/protocol.ts"
import { openAiResponses } from "../../../src/providers/protocols/openai-responses/protocol.ts"
import type { Protocol } from "../../../src/providers/protocols/Protocol.ts"
import { claudeRequestFault } from "../../support/claude-request.ts"
import { geminiRequestFault } from "../../support/fake-upstream-gemini.ts"

/**
 * Complete translations: `test/fixtures/requests/<case>/request.json` is a client's request to `/v1/…`, and beside it
 * stands what each model is sent, or why it is not. After a change that is meant: `vitest run fixtures -u`, and read the
 * difference.
 */
const folder = new URL("../../fixtures/requests/", import.meta.url)

const models: ReadonlyArray<readonly [model: string, protocol: Protocol]> = [
  ["gpt-5", openAiChat({ isOpenAi: true })],
  ["gpt-5.5-pro", openAiResponses],
  ["gemini-2.5-flash", gemini],
  ["gemini-3-flash-preview", gemini],
  ["claude-haiku-4-5", anthropic(() => 64_000)],
  ["claude-opus-5-5", anthropic(() => 128_000)],
]

/** A client's request as the gateway reads it, once with its bytes and once without. */
const tasksOf = (bytes: Buffer): { readonly task: Task; readonly edited: Task; readonly mode: CallMode } => {
  const { members } = scanJson(bytes, jsonLimits)
  assert.isDefined(members)
  // What a client sends is JSON, whatever the types say.
  const { model: _, ...request } = parseExactJson(bytes.toString()) as {
    readonly model: string
    readonly stream?: boolean
    readonly messages: []
    readonly input: []
  }
  const mode = request.stream === true ? "stream" : "whole"
  const task: Task = "messages" in request ? { _tag: "Chat", request, mode } : { _tag: "Embedding", request }
  return { task, edited: { ...task, source: { bytes, members } }, mode }
}

const lower = (protocol: Protocol, task: Task, model: string, mode: CallMode): unknown => {
  const lowered = protocol.lower(task, model)
  return Result.isSuccess(lowered)
    ? parseExactJson(String(lowered.success.write(mode)))
    : { refused: lowered.failure }
}

describe.each(readdirSync(folder))("the request %s", (name) => {
  const { task, edited, mode } = tasksOf(readFileSync(new URL(`${name}/request.json`, folder)))

  it.each(models)("for %s", async (model, protocol) => {
    const sent = lower(protocol, task, model, mode)
    assert.deepStrictEqual(lower(protocol, edited, model, mode), sent)
    if (protocol === gemini && Object(sent).refused === undefined) {
      assert.isUndefined(geminiRequestFault(sent, model))
    }
    if (model.startsWith("claude-") && Object(sent).refused === undefined) {
      assert.isUndefined(claudeRequestFault(sent))
    }
    await expect(`${JSON.stringify(sent, null, 2)}\n`).toMatchFileSnapshot(
      new URL(`${name}/${model}.json`, folder).pathname,
    )
  })
})
