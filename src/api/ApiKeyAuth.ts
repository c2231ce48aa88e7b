import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"

/**
 * Says where the routes that infer take their API key. They read it themselves, since they answer in the envelope of
 * their dialect.
 */
export class ApiKeyAuth extends HttpApiMiddleware.Service<ApiKeyAuth>()("gateway/api/ApiKeyAuth", {
  security: {
    apiKey: HttpApiSecurity.apiKey({ key: "X-API-Key" }).pipe(
      HttpApiSecurity.annotate(OpenApi.Description, "An API key, `gwk_…`"),
    ),
    apiKeyBearer: HttpApiSecurity.http({ scheme: "bearer" }).pipe(
      HttpApiSecurity.annotate(OpenApi.Description, "The same API key"),
    ),
  },
}) {}
