import { useCallback, useEffect, useState } from "preact/hooks"
import { ApiError } from "./api.ts"

export interface Loaded<A> {
  /** The latest that came, which stays while it is loaded again. */
  readonly data: A | undefined
  readonly error: ApiError | undefined
  readonly isLoading: boolean
  readonly reload: () => void
}

/** Loads when it is first shown, when one of `of` changes, and every `everyMs` while the page is looked at. */
export const useLoaded = <A>(
  load: (abort: AbortSignal) => Promise<A>,
  of: ReadonlyArray<unknown>,
  everyMs?: number,
): Loaded<A> => {
  const [state, setState] = useState<Omit<Loaded<A>, "reload">>({
    data: undefined,
    error: undefined,
    isLoading: true,
  })
  const [round, setRound] = useState(0)
  const reload = useCallback(() => setRound((round) => round + 1), [])

  useEffect(() => {
    const abort = new AbortController()
    setState((state) => ({ ...state, isLoading: true }))
    load(abort.signal).then(
      (data) => setState({ data, error: undefined, isLoading: false }),
      (error: unknown) => {
        if (abort.signal.aborted) return
        const known = error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))
        setState(({ data }) => ({ data, error: known, isLoading: false }))
      },
    )
    return () => abort.abort()
  }, [...of, round])

  useEffect(() => {
    if (everyMs === undefined) return
    const timer = setInterval(() => {
      if (!document.hidden) reload()
    }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs, reload])

  return { ...state, reload }
}
