import { Duration } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"

const NAME = "gateway_session"

/** Returns what the browser's cookie holds; empty when there is none. */
export const sessionCookie = ({ cookies }: HttpServerRequest.HttpServerRequest): string => cookies[NAME] ?? ""

/**
 * Has the browser keep the cookie for so long, for this site alone and out of reach of scripts; not at all with 0 seconds. A
 * page that came by TLS, through a proxy perhaps, never sends it in the clear.
 */
export const withSessionCookie = (
  response: HttpServerResponse.HttpServerResponse,
  { headers }: HttpServerRequest.HttpServerRequest,
  value: string,
  seconds: number,
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setCookieUnsafe(response, NAME, value, {
    path: "/",
    maxAge: Duration.seconds(seconds),
    httpOnly: true,
    sameSite: "strict",
    secure: headers.origin?.startsWith("https:") === true,
  })
