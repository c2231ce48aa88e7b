/** A choice among few that shows all of them. */
export const Segments = ({
  choose,
  chosen,
  label,
  options,
}: {
  readonly label: string
  /** By value, what it says. */
  readonly options: ReadonlyArray<readonly [value: string, text: string]>
  readonly chosen: string
  readonly choose: (value: string) => void
}) => (
  <fieldset class="segments" aria-label={label}>
    {options.map(([value, text]) => (
      <button key={value} type="button" aria-pressed={value === chosen} onClick={() => choose(value)}>
        {text}
      </button>
    ))}
  </fieldset>
)
