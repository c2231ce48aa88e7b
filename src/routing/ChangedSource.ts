import { changeMembers, type JsonSource, type MemberChange, scanJson } from "../platform/json-source.ts"

/** Limits were held to when the client's bytes were read. */
const READ_BEFORE = {
  depth: Number.POSITIVE_INFINITY,
  fields: Number.POSITIVE_INFINITY,
  innerFields: Number.POSITIVE_INFINITY,
  pieces: Number.POSITIVE_INFINITY,
}

/** The client's bytes with something changed, made once somebody sends them: most candidates are never asked. */
export class ChangedSource implements JsonSource {
  readonly #make: () => JsonSource
  #made: JsonSource | undefined

  constructor(make: () => JsonSource) {
    this.#make = make
  }

  get bytes(): Buffer {
    return this.#changed().bytes
  }

  get members(): JsonSource["members"] {
    return this.#changed().members
  }

  #changed(): JsonSource {
    this.#made ??= this.#make()
    return this.#made
  }
}

/** Changes members of an object, and reads where all of them stand then. */
export const withChanges = (source: JsonSource, changes: ReadonlyMap<string, MemberChange>): JsonSource => {
  const bytes = changeMembers(source, changes)
  return { bytes, members: scanJson(bytes, READ_BEFORE).members ?? [] }
}
