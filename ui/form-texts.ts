import { type Signal, signal } from "@preact/signals"
import { useState } from "preact/hooks"

/** What is typed into the fields of a form, by what the API calls them, and what stood there at first. */
export interface Texts<Name extends string> {
  readonly first: Readonly<Record<Name, string>>
  readonly now: Readonly<Record<Name, Signal<string>>>
}

/** Begins with these texts, whatever they are when it is drawn again. */
export const useTexts = <Name extends string>(first: Readonly<Record<Name, string>>): Texts<Name> =>
  useState(() => {
    const signals = Object.entries<string>(first).map(([name, text]) => [name, signal(text)])
    return { first, now: Object.fromEntries(signals) as Texts<Name>["now"] }
  })[0]

/** The fields that were changed, as the API takes them: null for what was emptied. */
export const changesOf = <Name extends string>(
  { first, now }: Texts<Name>,
  readers: Readonly<Record<Name, (text: string) => unknown>>,
): Readonly<Record<string, unknown>> => {
  const names = Object.keys(first) as Array<Name>
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = now[name].value.trim()
      if (text === first[name].trim()) return []
      return [[name, text === "" ? null : readers[name](text)]]
    }),
  )
}

/** Items apart by commas or on lines of their own. */
export const listOf = (text: string): ReadonlyArray<string> =>
  text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== "")

/** A moment as the field for it has it: in the viewer's zone, to the minute. */
export const localText = (iso: string | null): string => {
  if (iso === null) return ""
  const at = new Date(iso)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

export const instantOf = (localText: string): string => new Date(localText).toISOString()
