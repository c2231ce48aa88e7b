import type { Texts } from "../form-texts.ts"
import { Field } from "./Field.tsx"

interface Limited {
  readonly rpm: number | null
  readonly tpm: number | null
  readonly concurrency: number | null
}

export const limitTexts = (of?: Limited) => ({
  rpm: String(of?.rpm ?? ""),
  tpm: String(of?.tpm ?? ""),
  concurrency: String(of?.concurrency ?? ""),
})

export const limitReaders = { rpm: Number, tpm: Number, concurrency: Number }

/** Fields of the limits of a key or a team; `none`: what holds where no requests per minute are said. */
export const LimitFields = ({
  none,
  texts: { now },
}: {
  readonly texts: Texts<keyof Limited>
  readonly none: string
}) => (
  <div class="pair three">
    <Field label="Requests per minute" value={now.rpm} type="number" min={1} step={1} placeholder={none} />
    <Field label="Tokens per minute" value={now.tpm} type="number" min={1} step={1} placeholder="no limit" />
    <Field
      label="Requests in flight"
      value={now.concurrency}
      type="number"
      min={1}
      step={1}
      placeholder="no limit"
    />
  </div>
)
