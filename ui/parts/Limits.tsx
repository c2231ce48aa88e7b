import { count } from "../format.ts"

/** Limits of a key or a team, those that it has. */
export const Limits = ({
  none = "none",
  of: { concurrency, rpm, tpm },
}: {
  /** What holds where it has none. */
  readonly none?: string
  readonly of: {
    readonly rpm: number | null
    readonly tpm: number | null
    readonly concurrency: number | null
  }
}) =>
  rpm === null && tpm === null && concurrency === null ? (
    <span class="hint">{none}</span>
  ) : (
    <ul class="limits number">
      {rpm !== null && <li>{count(rpm)} requests/min</li>}
      {tpm !== null && <li>{count(tpm)} tokens/min</li>}
      {concurrency !== null && <li>{count(concurrency)} in flight</li>}
    </ul>
  )
