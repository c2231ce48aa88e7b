/** Who is signed in. The cookie is the browser's and out of reach; what is known of it comes from `/ui/session`. */
import { computed, signal } from "@preact/signals"
import type { Session as SessionSchema } from "../src/api/SessionApi.ts"
import { ApiError, csrfToken, get, isSessionOver, onForeignSession, send, sendAs } from "./api.ts"
import { chosenKey } from "./chosen-key.ts"

type Session = typeof SessionSchema.Type

/** Undefined until it is known; null: nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined)
export const isAdmin = computed(() => session.value?.operator.role === "admin")
/** Why the link that led here signed nobody in. */
export const signInFault = signal<string | undefined>(undefined)

const RENEW_EVERY_MS = 10 * 60_000
let renewal: ReturnType<typeof setInterval> | undefined
let renewedAtMs = 0
/** The renewal that is under way, or was the last. */
let renewing: Promise<void> | undefined

const become = (next: Session | null): void => {
  clearInterval(renewal)
  renewedAtMs = Date.now()
  // An API key is for the eyes of who typed it in.
  if (next?.operator.name !== session.value?.operator.name) chosenKey.value = ""
  signOutFault.value = undefined
  csrfToken.value = next?.csrf_token ?? ""
  isSessionOver.value = false
  session.value = next
  if (next !== null) renewal = setInterval(renew, RENEW_EVERY_MS)
}

/** Signs in, or fails with the gateway's refusal. */
export const signIn = async (token: string): Promise<void> => {
  const { session } = await sendAs<{ readonly session: Session }>(token, "POST", "/ui/session")
  become(session)
}

/** Why signing out did not work. */
export const signOutFault = signal<string | undefined>(undefined)

export const signOut = async (): Promise<void> => {
  signOutFault.value = undefined
  clearInterval(renewal)
  // Its answer would sign in again.
  await renewing
  try {
    // The cookie is the gateway's to take away.
    await send("DELETE", "/ui/session")
    become(null)
  } catch (error) {
    signOutFault.value = error instanceof ApiError ? error.message : String(error)
    renewal = setInterval(renew, RENEW_EVERY_MS)
  }
}

const readSession = async (): Promise<Session | null> =>
  (await get<{ readonly session: Session | null }>("/ui/session")).session

onForeignSession.reread = async () => {
  const next = await readSession()
  const isSame =
    next?.operator.name === session.value?.operator.name &&
    next?.operator.role === session.value?.operator.role
  become(next)
  return isSame
}

/** Has the session last while somebody looks. A failure shows with the next thing that is asked. */
const renew = (): void => {
  if (!document.hidden) renewing = renewed()
}

const renewed = async (): Promise<void> => {
  const answer = await send<{ readonly session: Session }>("POST", "/ui/session").catch(() => undefined)
  if (answer !== undefined) become(answer.session)
}

// Who comes back to a tab does not wait for the next turn.
document.addEventListener("visibilitychange", () => {
  if (session.value != null && Date.now() - renewedAtMs >= RENEW_EVERY_MS) renew()
})

// A link that is opened where the page is already loads nothing.
addEventListener("hashchange", () => {
  if (tokenInLink() !== null) void findSession()
})

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
  become(await readSession().catch(() => null))
}
