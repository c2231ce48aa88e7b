import type { ComponentChildren } from "preact"
import type { Loaded } from "../use-loaded.ts"
import { Notice } from "./Notice.tsx"

/** What was loaded, or how it stands with it. */
export const Shown = <A,>({
  children,
  of: { data, error, isLoading, reload },
}: {
  readonly of: Loaded<A>
  readonly children: (data: A) => ComponentChildren
}) => (
  <div aria-busy={isLoading}>
    {error !== undefined && (
      <Notice kind="fault" title={error.message}>
        <button type="button" class="plain" onClick={reload}>
          Try again
        </button>
      </Notice>
    )}
    {data === undefined ? isLoading && <p class="waiting">Loading…</p> : children(data)}
  </div>
)
