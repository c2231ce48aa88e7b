import { Data } from "effect"

/** Error that keeps the gateway from starting: one line for each wrong setting, never with the value of one. */
export class SettingsError extends Data.TaggedError("SettingsError")<{
  readonly faults: ReadonlyArray<string>
}> {
  override get message(): string {
    return this.faults.join("\n")
  }
}
