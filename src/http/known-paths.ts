import { ChildKeysApi } from "../api/ChildKeysApi.ts"
import { GatewayApi } from "../api/GatewayApi.ts"
import { InferApi } from "../api/InferApi.ts"
import { MessagesApi } from "../api/MessagesApi.ts"
import { OpenAiApi } from "../api/OpenAiApi.ts"
import { ResponsesApi } from "../api/ResponsesApi.ts"

/** A path of the API. */
export interface KnownPath {
  /** What metrics call it. */
  readonly template: string
  readonly methods: ReadonlyArray<string>
  /** For those who run the gateway, and not for the applications that use it. */
  readonly operators: boolean
}

/** The paths that one port answers: a closed list, each with one spelling. */
export interface KnownPaths {
  /** Finds the path behind a request target, which a client of a proxy sends with scheme and host. */
  readonly find: (target: string) => KnownPath | undefined
}

/** A parameter as it is written without need for encoding, and not one of the two segments that readers remove. */
const SEGMENT = String.raw`(?!\.{1,2}(?:/|$))[\w.~-]+`

/**
 * A model's name, the last of its path: encoded or not, and with slashes, which not every client encodes, but not with a
 * segment that a reader of the path would remove, however it is written.
 */
const MODEL = String.raw`(?!(?:.*(?:/|%2[fF]))?(?:\.|%2[eE]){1,2}(?:/|%2[fF]|$))[^/\\;#]+(?:/[^/\\;#]+)*`

const patternOf = (template: string): RegExp =>
  new RegExp(
    `^${template.replaceAll(".", "\\.").replace(/:(\w+)/g, (_, name) => (name === "model" ? MODEL : SEGMENT))}$`,
  )

const HEALTH: ReadonlySet<string> = new Set(["/livez", "/readyz"])
const DOCUMENTS: ReadonlySet<string> = new Set(["/docs", "/openapi.json"])
const METRICS = "/metrics"

/** Screens of the page, each of which a browser may be sent to. */
export const UI_SCREENS = [
  "/ui",
  "/ui/requests",
  "/ui/requests/:id",
  "/ui/keys",
  "/ui/keys/:id",
  "/ui/teams",
  "/ui/budgets",
  "/ui/models",
  "/ui/playground",
  "/ui/connect",
] as const
export const UI_ASSETS = "/ui/assets/:file"

const isUi = (template: string): boolean => /^\/ui(?:\/|$)/.test(template)

const isForOperators = (template: string): boolean =>
  /^\/(?:admin|analytics)\//.test(template) ||
  isUi(template) ||
  DOCUMENTS.has(template) ||
  template === METRICS

const methodsByTemplate = new Map<string, Array<string>>(
  [...DOCUMENTS, ...UI_SCREENS, UI_ASSETS].map((path) => [path, ["GET"]]),
)
for (const group of Object.values(GatewayApi.groups)) {
  for (const { path, method } of Object.values(group.endpoints)) {
    methodsByTemplate.set(path, [...(methodsByTemplate.get(path) ?? []), method])
  }
}

/** Every path that a gateway can answer. */
export const allPaths: ReadonlyArray<KnownPath> = [...methodsByTemplate].map(([template, methods]) => ({
  template,
  methods,
  operators: isForOperators(template),
}))

/** Returns the path of a request target. */
const pathOf = (target: string): string => target.replace(/^https?:\/\/[^/?]*/i, "").split("?", 1)[0] ?? ""

const makeKnownPaths = (paths: ReadonlyArray<KnownPath>): KnownPaths => {
  const { literal = [], parametric = [] } = Object.groupBy(paths, ({ template }) =>
    template.includes(":") ? "parametric" : "literal",
  )
  const byPath = new Map(literal.map((path) => [path.template, path]))
  const patterns = parametric.map((path) => [patternOf(path.template), path] as const)
  const find = (path: string) => byPath.get(path) ?? patterns.find(([pattern]) => pattern.test(path))?.[1]
  // Most targets are a path and nothing else.
  return { find: (target) => byPath.get(target) ?? find(pathOf(target)) }
}

/** Shares the paths that are switched on between the public port and the operators', when that is one of its own. */
export const pathsOfPorts = (on: {
  readonly docs: boolean
  readonly metrics: boolean
  readonly ui: boolean
  readonly adminPort?: number
}): { readonly open: KnownPaths; readonly operators: KnownPaths } => {
  const served = allPaths.filter(
    ({ template }) =>
      (on.docs || !DOCUMENTS.has(template)) &&
      (on.metrics || template !== METRICS) &&
      (on.ui || !isUi(template)),
  )
  if (on.adminPort === undefined) {
    const all = makeKnownPaths(served)
    return { open: all, operators: all }
  }
  return {
    open: makeKnownPaths(served.filter(({ operators }) => !operators)),
    operators: makeKnownPaths(served.filter(({ operators, template }) => operators || HEALTH.has(template))),
  }
}

/** Paths of the routes that infer, and of the one that makes keys, which costs as much. */
export const inferencePaths: ReadonlySet<string> = new Set(
  [InferApi, OpenAiApi, MessagesApi, ResponsesApi, ChildKeysApi].flatMap(({ endpoints }) =>
    Object.values(endpoints).flatMap(({ method, path }) => (method === "POST" ? path : [])),
  ),
)
