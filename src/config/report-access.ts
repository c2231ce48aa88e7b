import { Effect, type Redacted } from "effect"
import { SettingsError } from "./SettingsError.ts"
import { ApiKey, makeReader, secret } from "./setting.ts"
import { anthropicUrl, openAiUrl } from "./vendor-urls.ts"

/** What it takes to ask a vendor what it charged: only for the command that does, so a gateway never has such a key. */
const settings = {
  openai: { baseUrl: openAiUrl, adminKey: secret("OPENAI_ADMIN_KEY", ApiKey) },
  anthropic: { baseUrl: anthropicUrl, adminKey: secret("ANTHROPIC_ADMIN_KEY", ApiKey) },
}

/** Reads a vendor's address and its admin key, which is absent when unset. */
export const readReportAccess = (
  vendor: keyof typeof settings,
): Effect.Effect<{ readonly baseUrl: string; readonly adminKey?: Redacted.Redacted }, SettingsError> =>
  Effect.gen(function* () {
    const { faults, readAll } = makeReader()
    const access = yield* readAll(settings[vendor])
    return faults.length === 0 ? access : yield* new SettingsError({ faults })
  })
