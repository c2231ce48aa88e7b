import { Duration } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"

/** Returns what the browser's cookie of that name holds; empty when there is none. */
export const sessionCookie = ({ cookies }: HttpServerRequest.HttpServerRequest, name: string): string =>
  cookies[name] ?? ""

/**
 * Has the browser keep a cookie for so long, for this site alone and out of reach of scripts; not at all with 0 seconds. A
 * page that came by TLS, through a proxy perhaps, never sends it in the clear.
 */
export const withSessionCookie = (
  response: HttpServerResponse.HttpServerResponse,
  { headers }: HttpServerRequest.HttpServerRequest,
  { name, seconds, value }: { readonly name: string; readonly value: string; readonly seconds: number },
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setCookieUnsafe(response, name, value, {
    path: "/",
    maxAge: Duration.seconds(seconds),
    httpOnly: true,
    sameSite: "strict",
    secure: headers.origin?.startsWith("https:") === true,
  })
