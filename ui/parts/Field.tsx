import type { Signal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { useId } from "preact/hooks"

interface InputProps {
  readonly type?: "text" | "password" | "number" | "search" | "datetime-local"
  readonly autocomplete?: "on" | "off"
  readonly required?: boolean
  readonly autofocus?: boolean
  readonly placeholder?: string
  readonly min?: number
  readonly max?: number
  readonly step?: number | "any"
  readonly maxLength?: number
  /** Id of a `datalist` with what is proposed. */
  readonly list?: string
}

/** A labelled input that writes what is typed into a signal. */
export const Field = ({
  fault,
  hint,
  label,
  value,
  ...input
}: InputProps & {
  readonly label: string
  readonly value: Signal<string>
  readonly hint?: ComponentChildren
  readonly fault?: string | undefined
}) => {
  const id = useId()
  const isDescribed = hint !== undefined || fault !== undefined
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        // Preact types the roles of each kind of input apart, and these have none.
        {...(input as object)}
        id={id}
        value={value}
        onInput={({ currentTarget }) => {
          value.value = currentTarget.value
        }}
        aria-invalid={fault === undefined ? undefined : true}
        aria-describedby={isDescribed ? `${id}-help` : undefined}
      />
      {isDescribed && (
        <small
          id={`${id}-help`}
          class={fault === undefined ? "hint" : "fault"}
          role={fault === undefined ? undefined : "alert"}
        >
          {fault ?? hint}
        </small>
      )}
    </div>
  )
}

/** The same with a choice among few. */
export const Choice = ({
  label,
  options,
  value,
}: {
  readonly label: string
  readonly value: Signal<string>
  /** By value, what it says. */
  readonly options: ReadonlyArray<readonly [value: string, text: string]>
}) => {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        onChange={({ currentTarget }) => {
          value.value = currentTarget.value
        }}
      >
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
}

/** The same for text of many lines. */
export const TextArea = ({
  label,
  rows = 3,
  value,
  ...area
}: {
  readonly label: string
  readonly value: Signal<string>
  readonly rows?: number
  readonly placeholder?: string
  readonly required?: boolean
}) => {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        {...area}
        id={id}
        rows={rows}
        value={value}
        onInput={({ currentTarget }) => {
          value.value = currentTarget.value
        }}
      />
    </div>
  )
}
