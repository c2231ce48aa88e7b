import { useId } from "preact/hooks"

/** Narrows what is shown while it is typed. */
export const Search = ({
  label,
  search,
  value,
}: {
  readonly label: string
  readonly value: string
  readonly search: (text: string) => void
}) => {
  const id = useId()
  return (
    <div class="search">
      <label class="unseen" for={id}>
        {label}
      </label>
      <input
        id={id}
        type="search"
        placeholder={label}
        value={value}
        onInput={({ currentTarget }) => search(currentTarget.value)}
      />
    </div>
  )
}
