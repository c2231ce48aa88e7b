import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { problem } from "./Problem.ts"

export const Session = Schema.Struct({
  operator: Schema.Struct({
    name: Schema.String,
    role: Schema.Literals(["admin", "viewer"]),
  }),
  csrf_token: Schema.String.annotate({
    description: "Header field `X-Gateway-CSRF` of each request of the session that changes something",
  }),
  expires_at: Schema.String,
  renewable_until: Schema.String.annotate({ description: "When the admin token ends" }),
  serves_clients: Schema.Boolean.annotate({
    description: "Whether this port also has the routes of API keys, which `ADMIN_PORT` leaves on another",
  }),
}).annotate({ identifier: "Session" })

export class SessionApi extends HttpApiGroup.make("session")
  .add(
    HttpApiEndpoint.get("current", "/ui/session", {
      success: Schema.Struct({ session: Schema.NullOr(Session) }),
    }).annotateMerge(OpenApi.annotations({ summary: "Who is signed in by the cookie; null when nobody is" })),
    HttpApiEndpoint.post("begin", "/ui/session", {
      success: Schema.Struct({ session: Session }),
      error: [problem(400), problem(401), problem(403)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Sign in",
        description:
          "With an admin token in `Authorization: Bearer`, or renewed by the cookie and its `X-Gateway-CSRF`. Sets a cookie, which lasts for an hour and no longer than the token.",
      }),
    ),
    HttpApiEndpoint.delete("end", "/ui/session", {
      success: Schema.Struct({ session: Schema.Null }),
    }).annotateMerge(OpenApi.annotations({ summary: "Sign out: the browser forgets the cookie" })),
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Session", description: "Of the page at `/ui`, by a cookie" }),
  ) {}
