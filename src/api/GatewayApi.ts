import { HttpApi, OpenApi } from "effect/http-api"
import { AnalyticsApi } from "./AnalyticsApi.ts"
import { InferApi } from "./InferApi.ts"
import { KeysApi } from "./KeysApi.ts"
import { SystemApi } from "./SystemApi.ts"

/** The public contract, importable by a client. Handlers of each group stand in `http/` under the same file name. */
export class GatewayApi extends HttpApi.make("llm-gateway")
  .add(InferApi)
  .add(AnalyticsApi)
  .add(KeysApi)
  .add(SystemApi)
  .annotateMerge(
    OpenApi.annotations({
      title: "LLM Inference Gateway",
      version: "0.1.0",
      description: "One HTTP service between applications and LLM providers.",
    }),
  ) {}
