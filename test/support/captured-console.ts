import { format } from "node:util"
import type { Console } from "effect"

export interface Output {
  stdout: string
  stderr: string
}

/** Makes a console that writes nowhere, and what it was given. `onLine` hears of each line of stdout. */
export const capturedConsole = (
  onLine: (line: string) => void = () => {},
): { readonly console: Console.Console; readonly output: Output } => {
  const output = { stdout: "", stderr: "" }
  const out = (...words: ReadonlyArray<unknown>): void => {
    const line = format(...words)
    output.stdout += `${line}\n`
    onLine(line)
  }
  const err = (...words: ReadonlyArray<unknown>): void => {
    output.stderr += `${format(...words)}\n`
  }
  return { console: { ...console, log: out, info: out, error: err, warn: err }, output }
}
