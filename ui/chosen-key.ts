import { signal } from "@preact/signals"

/** The API key that the playground and the snippets use. Held in memory alone: never in the address, never in storage. */
export const chosenKey = signal("")
