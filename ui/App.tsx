import type { ComponentChildren, ComponentType } from "preact"
import { useEffect, useErrorBoundary } from "preact/hooks"
import { ErrorBoundary, LocationProvider, lazy, Route, Router, useLocation } from "preact-iso"
import { isSessionOver } from "./api.ts"
import { NewKey } from "./parts/NewKey.tsx"
import { Notice } from "./parts/Notice.tsx"
import { Text } from "./parts/Text.tsx"
import { SignIn } from "./SignIn.tsx"
import { isAdmin, session, signOut, signOutFault } from "./session.ts"
import { nextTheme, theme } from "./theme.ts"

/** A screen that is loaded when it is first shown. */
const screen = (load: () => Promise<{ readonly default: ComponentType }>) =>
  lazy(() => load().catch(() => ({ default: NotLoaded })))

const NotLoaded = () => (
  <LoadAgain title="This screen could not be loaded: the gateway is away, or of another version now" />
)

const LoadAgain = ({ title }: { readonly title: string }) => (
  <Notice kind="fault" title={title}>
    <button type="button" class="plain" onClick={() => location.reload()}>
      Load the page again
    </button>
  </Notice>
)

/** Says so in place of a screen that fails, which is a fault of the page; other screens go on. */
const Guarded = ({ children }: { readonly children: ComponentChildren }) => {
  const { path } = useLocation()
  const [fault, reset] = useErrorBoundary((error) => console.error(error))
  useEffect(reset, [path])
  return fault === undefined ? children : <LoadAgain title={`This screen failed: ${String(fault)}`} />
}

const Overview = screen(() => import("./screens/Overview.tsx"))
const Requests = screen(() => import("./screens/Requests.tsx"))
const Request = screen(() => import("./screens/Request.tsx"))
const Keys = screen(() => import("./screens/Keys.tsx"))
const Key = screen(() => import("./screens/Key.tsx"))
const Teams = screen(() => import("./screens/Teams.tsx"))
const Budgets = screen(() => import("./screens/Budgets.tsx"))
const Models = screen(() => import("./screens/Models.tsx"))
const Playground = screen(() => import("./screens/Playground.tsx"))
const Connect = screen(() => import("./screens/Connect.tsx"))

const screens = [
  ["/ui", "Overview"],
  ["/ui/requests", "Requests"],
  ["/ui/keys", "Keys"],
  ["/ui/teams", "Teams"],
  ["/ui/budgets", "Budgets"],
  ["/ui/models", "Models"],
  ["/ui/playground", "Playground"],
  ["/ui/connect", "Connect"],
] as const

export const App = () => {
  if (session.value === undefined) return <p class="waiting">Loading…</p>
  const isSignedIn = session.value !== null && !isSessionOver.value
  return (
    <LocationProvider scope="/ui">
      {isSignedIn ? <Screens /> : <SignIn />}
      <NewKey />
    </LocationProvider>
  )
}

const Screens = () => (
  <>
    <a class="skip" href="#content">
      Skip to the content
    </a>
    <Header />
    <main id="content" tabIndex={-1}>
      {signOutFault.value !== undefined && (
        <Notice kind="fault" title={`Still signed in: ${signOutFault.value}`} />
      )}
      <Guarded>
        <ErrorBoundary>
          <Router onRouteChange={toTheTop}>
            <Route path="/ui" component={Overview} />
            <Route path="/ui/requests" component={Requests} />
            <Route path="/ui/requests/:id" component={Request} />
            <Route path="/ui/keys" component={Keys} />
            <Route path="/ui/keys/:id" component={Key} />
            <Route path="/ui/teams" component={Teams} />
            <Route path="/ui/budgets" component={Budgets} />
            <Route path="/ui/models" component={Models} />
            <Route path="/ui/playground" component={Playground} />
            <Route path="/ui/connect" component={Connect} />
            <Route default component={Nothing} />
          </Router>
        </ErrorBoundary>
      </Guarded>
    </main>
  </>
)

const toTheTop = (): void => scrollTo(0, 0)

const Header = () => {
  const { path } = useLocation()
  const isHere = (href: string) => path === href || (href !== "/ui" && path.startsWith(`${href}/`))
  const { name } = session.value?.operator ?? { name: "" }
  const title = screens.find(([href]) => isHere(href))?.[1] ?? "Nothing"
  useEffect(() => {
    document.title = `${title} · LLM Gateway`
  }, [title])
  return (
    <header class="bar">
      <a class="brand" href="/ui">
        <img src={new URL("./icon.svg", import.meta.url).href} alt="" width="24" height="24" />
        <span>LLM Gateway</span>
      </a>
      <nav aria-label="Screens">
        {screens.map(([href, title]) => (
          <a key={href} href={href} aria-current={isHere(href) ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <div class="who">
        <span title="Signed in">
          <Text value={name} longest={30} />
          {isAdmin.value ? "" : " (viewer)"}
        </span>
        <button type="button" class="plain" onClick={nextTheme} title="Light, dark, or as the system">
          Theme: {theme}
        </button>
        <button type="button" class="plain" onClick={signOut}>
          Sign out
        </button>
      </div>
    </header>
  )
}

const Nothing = () => (
  <Notice title="There is no such screen">
    <a href="/ui">Go to the overview</a>
  </Notice>
)
