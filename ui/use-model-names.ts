import { refusalOf } from "./api.ts"
import { isKey } from "./client-address.ts"
import { session } from "./session.ts"
import { type Loaded, useLoaded } from "./use-loaded.ts"

/** Finds what a key may ask for; undefined without one, and where the page cannot call the clients' routes. */
export const useModelNames = (key: string): Loaded<ReadonlyArray<string> | undefined> =>
  useLoaded((abort) => loadNames(key, abort), [key])

const loadNames = async (key: string, abort: AbortSignal): Promise<ReadonlyArray<string> | undefined> => {
  if (!isKey(key) || session.value?.serves_clients === false) return undefined
  const response = await fetch("/v1/models", { headers: { "x-api-key": key }, signal: abort })
  if (!response.ok) throw await refusalOf(response)
  const list: { readonly data: ReadonlyArray<{ readonly id: string }> } = await response.json()
  return list.data.map(({ id }) => id)
}
