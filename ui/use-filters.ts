import { useLocation } from "preact-iso"
import { withQuery } from "./api.ts"

/** What the screen is narrowed to stands in its address, so that it can be sent to somebody and gone back to. */
export const useFilters = (): {
  readonly filters: Readonly<Record<string, string>>
  /** Empty values go away. */
  readonly setFilters: (changes: Readonly<Record<string, string | undefined>>) => void
} => {
  const { path, query, route } = useLocation()
  return { filters: query, setFilters: (changes) => route(withQuery(path, { ...query, ...changes })) }
}
