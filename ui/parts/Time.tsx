import { ago, NONE, time } from "../format.ts"

/** A moment as it is told, with the whole of it in the title. */
export const Ago = ({ at }: { readonly at: string | null | undefined }) =>
  at === null || at === undefined ? (
    NONE
  ) : (
    <time dateTime={at} title={time(at)}>
      {ago(at)}
    </time>
  )
