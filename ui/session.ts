/** Who is signed in. The cookie is the browser's and out of reach; what is known of it comes from `/ui/session`. */
import { computed, signal } from "@preact/signals"
import type { Session as SessionSchema } from "../src/api/SessionApi.ts"
import { ApiError, csrfToken, get, isSessionOver, refusalOf, send } from "./api.ts"
import { chosenKey } from "./chosen-key.ts"

type Session = typeof SessionSchema.Type

/** Undefined until it is known; null: nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined)
export const isAdmin = computed(() => session.value?.operator.role === "admin")
/** Why the link that led here signed nobody in. */
export const signInFault = signal<string | undefined>(undefined)

const RENEW_EVERY_MS = 10 * 60_000
let renewal: ReturnType<typeof setInterval> | undefined

const become = (next: Session | null): void => {
  clearInterval(renewal)
  // An API key is for the eyes of who typed it in.
  if (next?.operator.name !== session.value?.operator.name) chosenKey.value = ""
  csrfToken.value = next?.csrf_token ?? ""
  isSessionOver.value = false
  session.value = next
  if (next !== null) renewal = setInterval(renew, RENEW_EVERY_MS)
}

/** Signs in, or fails with the gateway's refusal. */
export const signIn = async (token: string): Promise<void> => {
  const response = await fetch("/ui/session", {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  }).catch(() => {
    throw new ApiError(0, "unreachable", "The gateway does not answer. Is it still running?")
  })
  if (!response.ok) throw await refusalOf(response)
  const answer: { readonly session: Session } = await response.json()
  become(answer.session)
}

export const signOut = async (): Promise<void> => {
  await send("DELETE", "/ui/session")
  become(null)
}

/** Has the session last while somebody looks. A failure shows with the next thing that is asked. */
const renew = async (): Promise<void> => {
  if (document.hidden) return
  const answer = await send<{ readonly session: Session }>("POST", "/ui/session").catch(() => undefined)
  if (answer !== undefined) become(answer.session)
}

/** The link that the first start prints has the token behind `#`, which no server and no log sees. */
const tokenInLink = (): string | null => new URLSearchParams(location.hash.slice(1)).get("token")

/** Signs in by the link, or finds who is signed in already. */
export const findSession = async (): Promise<void> => {
  const token = tokenInLink()
  if (token !== null) {
    history.replaceState(null, "", location.pathname + location.search)
    try {
      return await signIn(token)
    } catch (error) {
      signInFault.value = error instanceof ApiError ? error.message : String(error)
    }
  }
  const known = await get<{ readonly session: Session | null }>("/ui/session").catch(() => ({
    session: null,
  }))
  become(known.session)
}
