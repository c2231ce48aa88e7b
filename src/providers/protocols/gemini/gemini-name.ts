import { toWireName } from "../function-names.ts"

/** Gemini takes dots, colons and dashes too. */
const TAKEN = /^[A-Za-z_][\w.:-]{0,127}$/

/** Returns the name under which Gemini knows a function; undefined for one that gets too long. */
export const toGeminiName = (name: string): string | undefined => toWireName(name, TAKEN)
