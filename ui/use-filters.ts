import { useLocation } from "preact-iso"
import { withQuery } from "./api.ts"

/** What the screen is narrowed to stands in its address, so that it can be sent to somebody and gone back to. */
export const useFilters = (): {
  readonly filters: Readonly<Record<string, string>>
  /** Empty values go away. What is typed letter by letter is no step to go back to: `isTyped`. */
  readonly setFilters: (changes: Readonly<Record<string, string | undefined>>, isTyped?: boolean) => void
} => {
  const { path, query, route } = useLocation()
  return {
    filters: query,
    setFilters: (changes, isTyped) => route(withQuery(path, { ...query, ...changes }), isTyped),
  }
}
