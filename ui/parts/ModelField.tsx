import type { Signal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { Choice, Field } from "./Field.tsx"
import { seenText } from "./Text.tsx"

/** Which model or route: one of a list, where there is one, else whatever is typed. */
export const ModelField = ({
  names,
  value,
}: {
  readonly value: Signal<string>
  readonly names: ReadonlyArray<string> | undefined
}) => {
  useEffect(() => {
    const [first] = names ?? []
    if (first !== undefined && names?.includes(value.value) === false) value.value = first
  }, [names])
  return names === undefined || names.length === 0 ? (
    <Field label="Model or route" value={value} required />
  ) : (
    <Choice label="Model or route" value={value} options={names.map((name) => [name, seenText(name)])} />
  )
}
