import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { ApiError } from "./api.ts"

export interface Loaded<A> {
  /** The latest that came, which stays while it is loaded again. */
  readonly data: A | undefined
  readonly error: ApiError | undefined
  readonly isLoading: boolean
  readonly reload: () => void
}

/** Longer than the gateway lets a question take. */
const PATIENCE_MS = 20_000

/** Loads when it is first shown, when one of `of` changes, and every `everyMs` while the page is looked at. */
export const useLoaded = <A>(
  load: (abort: AbortSignal) => Promise<A>,
  of: ReadonlyArray<unknown>,
  everyMs?: number,
): Loaded<A> => {
  const [state, setState] = useState<Omit<Loaded<A>, "reload"> & { readonly of?: string }>({
    data: undefined,
    error: undefined,
    isLoading: true,
  })
  const [round, setRound] = useState(0)
  const reload = useCallback(() => setRound((round) => round + 1), [])

  const askedAtMs = useRef(0)

  useEffect(() => {
    const asked = JSON.stringify(of)
    askedAtMs.current = Date.now()
    const abort = new AbortController()
    setState((state) => ({ ...state, isLoading: true }))
    load(abort.signal).then(
      (data) => {
        if (abort.signal.aborted) return
        askedAtMs.current = 0
        setState({ data, error: undefined, isLoading: false, of: asked })
      },
      (error: unknown) => {
        if (abort.signal.aborted) return
        askedAtMs.current = 0
        const known = error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))
        // What is left of another question is no answer to this one.
        setState(({ data, of }) =>
          of === asked
            ? { data, error: known, isLoading: false, of }
            : { data: undefined, error: known, isLoading: false },
        )
      },
    )
    return () => abort.abort()
  }, [...of, round])

  useEffect(() => {
    if (everyMs === undefined) return
    const timer = setInterval(() => {
      // An answer that takes longer than a turn is waited for, and not asked for again and again.
      if (!document.hidden && Date.now() - askedAtMs.current >= PATIENCE_MS) reload()
    }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs, reload])

  return { ...state, reload }
}
