import { UNNAMED_FILE } from "../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import type { Notes, Path } from "./notes.ts"

/** Blocks of a question or of a tool's result in chat's words. */

export interface Part {
  readonly type: string
  readonly text?: string
  readonly [field: string]: unknown
}

const A_STRING = "Expected a string"

/**
 * Turns a text or blocks into parts. A block for which chat has no word stays what it is: providers that know it may take it,
 * and the others refuse it by its place.
 */
export const partsOf = (content: unknown, path: Path, notes: Notes): ReadonlyArray<Part> => {
  if (content === undefined || content === null || content === "") return []
  if (typeof content === "string") return [{ type: "text", text: content }]
  if (!Array.isArray(content)) {
    notes.refuse(path, "Expected a string or a list of blocks")
    return []
  }
  return content.flatMap((block, index) => partOf(block, [...path, index], notes))
}

/** Turns one block into parts: a document may be several. */
export const partOf = (block: unknown, path: Path, notes: Notes): ReadonlyArray<Part> => {
  const parts = lowerBlock(block, path, notes)
  notes.fromAll(parts, path, { "file.filename": ["title"] })
  return parts
}

const lowerBlock = (block: unknown, path: Path, notes: Notes): ReadonlyArray<Part> => {
  const type = typeOf(block, path, notes)
  if (!isObject(block) || type === undefined) return []
  const hints = hintsOf(block)
  switch (type) {
    case "text":
      if (asks(block.citations)) notes.drop([...path, "citations"])
      return [{ type: "text", text: textAt(block, "text", path, notes), ...hints }]
    case "image": {
      const url = imageUrl(block, path, notes)
      if (url !== undefined && block.transformations != null) notes.drop([...path, "transformations"])
      return [url === undefined ? { ...block, type } : { type: "image_url", image_url: { url }, ...hints }]
    }
    case "document": {
      const parts = documentParts(block, path, notes)
      return hints === NO_HINTS ? parts : parts.map((part) => ({ ...part, ...hints }))
    }
    default:
      return [{ ...block, type }]
  }
}

/** Returns the type of a block, which every block has. */
export const typeOf = (block: unknown, path: Path, notes: Notes): string | undefined => {
  const type = isObject(block) ? stringAt(block, "type") : undefined
  if (type === undefined) {
    notes.refuse(isObject(block) ? [...path, "type"] : path, isObject(block) ? A_STRING : "Expected a block")
  }
  return type
}

/** Tells a value from none, and from the empty list that says none. */
const asks = (value: unknown): boolean => value != null && !(Array.isArray(value) && value.length === 0)

export const textAt = (block: JsonObject, key: string, path: Path, notes: Notes): string => {
  const text = stringAt(block, key)
  if (text === undefined) notes.refuse([...path, key], A_STRING)
  return text ?? ""
}

/** The mark of a prefix that is to be cached, which chat has from the field's gateways. */
export const hintsOf = ({ cache_control }: JsonObject): { readonly cache_control?: unknown } =>
  cache_control == null ? NO_HINTS : { cache_control }

const NO_HINTS = {}

/** Returns an image as a URL, of its data or its own; undefined for one that lies with the vendor. */
export const imageUrl = (block: JsonObject, path: Path, notes: Notes): string | undefined => {
  const source = sourceOf(block, path, notes)
  switch (source?.type) {
    case "base64":
      return dataUrl(source, path, notes)
    case "url":
      return textAt(source, "url", [...path, "source"], notes)
    default:
      return undefined
  }
}

const sourceOf = (block: JsonObject, path: Path, notes: Notes): JsonObject | undefined => {
  const source = objectAt(block, "source")
  if (source === undefined || typeof source.type !== "string") {
    notes.refuse([...path, "source"], "Expected an object with a type")
  }
  return source
}

const dataUrl = (source: JsonObject, path: Path, notes: Notes): string => {
  const at = [...path, "source"]
  const mediaType = textAt(source, "media_type", at, notes)
  return `data:${mediaType};base64,${textAt(source, "data", at, notes)}`
}

const documentParts = (block: JsonObject, path: Path, notes: Notes): ReadonlyArray<Part> => {
  const source = sourceOf(block, path, notes)
  const title = stringAt(block, "title")
  const context = stringAt(block, "context")
  // Who asks for citations is not served by an answer without any.
  const foreign = [{ ...block, type: "document" }]
  if (objectAt(block, "citations")?.enabled === true) return foreign
  const heading = [title, context].filter((text) => text !== undefined && text !== "")
  const headed = (text: string) => ({ type: "text", text: [...heading, text].join("\n\n") })
  switch (source?.type) {
    case "base64":
      return [
        ...(context ? [{ type: "text", text: context }] : []),
        {
          type: "file",
          file: { filename: fileName(title), file_data: dataUrl(source, path, notes) },
        },
      ]
    case "text":
      return [headed(textAt(source, "data", [...path, "source"], notes))]
    case "content": {
      const parts = partsOf(source.content, [...path, "source", "content"], notes)
      return heading.length === 0 ? parts : [{ type: "text", text: heading.join("\n\n") }, ...parts]
    }
    default:
      return foreign
  }
}

/** Servers tell what a file is by the end of its name. */
const fileName = (title?: string): string => {
  if (!title) return UNNAMED_FILE
  return /\.pdf$/i.test(title) ? title : `${title}.pdf`
}

/** Turns the content of a turn into chat's: mostly it is a text, and stays one. */
export const lowerContent = (content: unknown, path: Path, notes: Notes): string | ReadonlyArray<Part> =>
  typeof content === "string" ? content : contentOf(partsOf(content, path, notes))

/** Joins parts that are nothing but texts into one, which every server takes; `separator` undefined: only a single one. */
export const contentOf = (parts: ReadonlyArray<Part>, separator?: string): string | ReadonlyArray<Part> => {
  if (parts.length === 0) return ""
  const arePlain = parts.every(({ type, cache_control }) => type === "text" && cache_control === undefined)
  if (!arePlain || (separator === undefined && parts.length > 1)) return parts
  return parts.map(({ text }) => text ?? "").join(separator)
}
