import { Context } from "effect"
import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { problem } from "./Problem.ts"

/** Lets only the bearer of an admin token through, and one that is a viewer only to what is read. It stands before everything else that reads the request. */
export class AdminAuth extends HttpApiMiddleware.Service<AdminAuth>()("gateway/api/AdminAuth", {
  security: {
    adminToken: HttpApiSecurity.http({ scheme: "bearer" }).pipe(
      HttpApiSecurity.annotateMerge(
        OpenApi.annotations({ description: "A token from `llm-gateway admin token`", format: "JWT" }),
      ),
    ),
  },
  error: [problem(400), problem(401), problem(403)],
}) {}

/** Marks a route that a viewer may use whatever its method is: it changes nothing. */
export const ReadsOnly = Context.Reference<boolean>("gateway/api/ReadsOnly", { defaultValue: () => false })
