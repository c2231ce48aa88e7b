import { GatewayApi } from "../api/GatewayApi.ts"
import { InferApi } from "../api/InferApi.ts"
import { OpenAiApi } from "../api/OpenAiApi.ts"

const compile = (path: string): RegExp =>
  new RegExp(
    `^${path
      .replaceAll(".", "\\.")
      // Names of models may have slashes, which not every client encodes.
      .replace(/:model$/, ".+")
      .replace(/:\w+/g, "[^/]+")}$`,
  )

interface KnownPath {
  readonly template: string
  readonly pattern: RegExp
  readonly method: string
}

const knownPath = (template: string, method: string): KnownPath => ({
  template,
  pattern: compile(template),
  method,
})

/** Every path of the API with its method. */
const known: ReadonlyArray<KnownPath> = [
  ...Object.values(GatewayApi.groups).flatMap((group) =>
    Object.values(group.endpoints).map((endpoint) => knownPath(endpoint.path, endpoint.method)),
  ),
  knownPath("/openapi.json", "GET"),
  knownPath("/docs", "GET"),
]

/** Returns the path of a request target, which a client of a proxy sends with scheme and host. */
const pathOf = (target: string): string => target.replace(/^https?:\/\/[^/?]*/i, "").split("?", 1)[0] ?? ""

/** Paths without parameters, which most requests have. */
const literal: ReadonlySet<string> = new Set(
  known.map(({ template }) => template).filter((template) => !/[:*]/.test(template)),
)

/** Returns the path template behind a request target, a closed set fit for a metric label. */
export const endpointOf = (target: string): string => {
  if (literal.has(target)) return target
  const path = pathOf(target)
  return known.find(({ pattern }) => pattern.test(path))?.template ?? "unmatched"
}

/** Methods that a request target's path answers to; empty when nothing has this path. */
export const allowedMethods = (target: string): ReadonlyArray<string> => {
  const path = pathOf(target)
  return [...new Set(known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))]
}

/** Paths of the routes that infer. */
export const inferencePaths: ReadonlySet<string> = new Set(
  [InferApi, OpenAiApi].flatMap(({ endpoints }) =>
    Object.values(endpoints).flatMap(({ method, path }) => (method === "POST" ? path : [])),
  ),
)
