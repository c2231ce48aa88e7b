import { type FilterName, filterText } from "../request-filters.ts"
import { Text } from "./Text.tsx"

/** The filters that hold, by their names in the address; a click takes one away. */
export const Chips = ({
  of,
  keyNames,
  onRemove,
}: {
  readonly of: Readonly<Record<string, string>>
  /** By id. */
  readonly keyNames: ReadonlyMap<string, string>
  readonly onRemove: (names: ReadonlyArray<string>) => void
}) => (
  <>
    {Object.entries(of).map(([name, value]) => (
      <Chip
        key={name}
        name={name as FilterName}
        value={name === "key_id" ? (keyNames.get(value) ?? value) : value}
        onRemove={() => onRemove([name])}
      />
    ))}
    {Object.keys(of).length > 1 && (
      <button type="button" class="plain" onClick={() => onRemove(Object.keys(of))}>
        Clear all
      </button>
    )}
  </>
)

const Chip = ({
  name,
  onRemove,
  value,
}: {
  readonly name: FilterName
  readonly value: string
  readonly onRemove: () => void
}) => {
  const said = filterText(name, value)
  return (
    <button type="button" class="chip" onClick={onRemove} title="Remove this filter">
      {said.title}: <Text value={said.value} longest={40} /> <span aria-hidden="true">×</span>
      <span class="unseen">, remove</span>
    </button>
  )
}
