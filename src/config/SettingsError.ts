import { Data } from "effect"

/** Error that keeps the gateway from starting: one line for each wrong setting, never with the value of one. */
export class SettingsError extends Data.TaggedError("SettingsError")<{
  readonly faults: ReadonlyArray<string>
}> {
  override get message(): string {
    return this.faults.join("\n")
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** Escapes control characters, because a name or path that is quoted into a fault must not break its line. */
export const oneLine = (text: string): string =>
  text.replace(unprintable, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
