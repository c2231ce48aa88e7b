import { changeMembers, type JsonSource, type MemberChange, scanJson } from "../platform/json-source.ts"

/** Limits were held to when the client's bytes were read. */
const READ_BEFORE = {
  depth: Number.POSITIVE_INFINITY,
  fields: Number.POSITIVE_INFINITY,
  innerFields: Number.POSITIVE_INFINITY,
  pieces: Number.POSITIVE_INFINITY,
}

/** The client's bytes with some fields changed, written once somebody sends them: most candidates are never asked. */
export class ChangedSource implements JsonSource {
  readonly #whole: JsonSource
  readonly #changes: () => ReadonlyMap<string, MemberChange>
  #made: JsonSource | undefined

  constructor(whole: JsonSource, changes: () => ReadonlyMap<string, MemberChange>) {
    this.#whole = whole
    this.#changes = changes
  }

  get bytes(): Buffer {
    return this.#changed().bytes
  }

  get members(): JsonSource["members"] {
    return this.#changed().members
  }

  #changed(): JsonSource {
    if (this.#made !== undefined) return this.#made
    const bytes = changeMembers(this.#whole, this.#changes())
    this.#made = { bytes, members: scanJson(bytes, READ_BEFORE).members ?? [] }
    return this.#made
  }
}
