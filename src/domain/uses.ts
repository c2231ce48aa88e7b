import { isObject } from "../platform/json.ts"
import type { ChatRequest } from "./Chat.ts"
import { fieldsOf, type Task } from "./Task.ts"

/** What a request may ask of a model beyond text for text, by the names that a configuration has for it. */
export const usable = ["image", "audio", "file", "tools", "json_schema", "reasoning", "stream"] as const
type Usable = (typeof usable)[number]

/** Tells whether a task uses it, in what it says or in what it asks for. Embeddings use nothing of it. */
export const uses = (task: Task, what: Usable): boolean => {
  if (task._tag === "Embedding") return false
  const { request } = task
  switch (what) {
    case "image":
      return hasPart(request, IMAGES) || wantsModality(request, "image")
    case "audio":
      return hasPart(request, AUDIO) || wantsModality(request, "audio")
    case "file":
      return hasPart(request, FILES)
    case "tools":
      // A vendor's own tools are in its clients' words alone.
      return [request.tools, request.functions, (fieldsOf(task) as ChatRequest).tools].some(isFilled)
    case "json_schema":
      return isObject(request.response_format) && request.response_format.type === "json_schema"
    case "reasoning":
      return wantsReasoning(request)
    case "stream":
      return task.mode === "stream"
  }
}

/** The types of parts, in chat's words and in those that chat has none for. */
const IMAGES: ReadonlySet<string> = new Set(["image_url", "image", "input_image"])
const AUDIO: ReadonlySet<string> = new Set(["input_audio", "audio"])
const FILES: ReadonlySet<string> = new Set(["file", "document", "input_file"])

/**
 * Tells whether a task may give a model something else to read than texts and images, in chat's words: a file, in which may be
 * anything, or audio.
 */
export const mayHaveFiles = (task: Task | undefined): boolean =>
  task?._tag === "Chat" &&
  (task.beyond?.refused !== undefined ||
    task.request.messages.some(
      ({ audio, content }) =>
        audio != null ||
        (typeof content === "object" &&
          content?.some((part) => !TEXTS.has(part.type) && !isImagePart(part)) === true),
    ))

const TEXTS: ReadonlySet<unknown> = new Set(["text", "refusal"])

const isImagePart = ({ image_url: url, type }: { readonly [field: string]: unknown }): boolean =>
  typeof type === "string" && IMAGES.has(type) && isImage(url)

/** Tells whether an `image_url`, in the words of any dialect, is that of an image: data may be of another type. */
export const isImage = (given: unknown): boolean => {
  const url = isObject(given) ? given.url : given
  return typeof url !== "string" || !/^data:(?!image\/)/i.test(url)
}

const hasPart = ({ messages }: ChatRequest, types: ReadonlySet<string>): boolean =>
  messages.some(({ content }) => typeof content === "object" && content?.some(({ type }) => types.has(type)))

const wantsModality = ({ modalities }: ChatRequest, modality: string): boolean =>
  Array.isArray(modalities) && modalities.includes(modality)

const isFilled = (value: unknown): boolean => Array.isArray(value) && value.length > 0

/** Anthropic's `thinking` says whether, where it is there; else OpenAI's effort does. */
const wantsReasoning = ({ reasoning_effort: effort, thinking }: ChatRequest): boolean =>
  isObject(thinking) ? thinking.type !== "disabled" : typeof effort === "string" && effort !== "none"
