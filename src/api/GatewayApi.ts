import { HttpApi, OpenApi } from "effect/http-api"
import { AnalyticsApi } from "./AnalyticsApi.ts"
import { AuditApi } from "./AuditApi.ts"
import { BudgetsApi } from "./BudgetsApi.ts"
import { ChildKeysApi } from "./ChildKeysApi.ts"
import { ConfigApi } from "./ConfigApi.ts"
import { ChatCompletionChunk } from "./chat-completions.ts"
import { InferApi, InferStreamEvent } from "./InferApi.ts"
import { KeysApi } from "./KeysApi.ts"
import { MessagesApi } from "./MessagesApi.ts"
import { MessageStreamEvent } from "./messages.ts"
import { OpenAiApi } from "./OpenAiApi.ts"
import { ProvidersApi } from "./ProvidersApi.ts"
import { ResponsesApi } from "./ResponsesApi.ts"
import { RoutesApi } from "./RoutesApi.ts"
import { ResponseEvent } from "./responses.ts"
import { SessionApi } from "./SessionApi.ts"
import { SystemApi } from "./SystemApi.ts"
import { TeamsApi } from "./TeamsApi.ts"

/** Has one identifier for both APIs, so that handlers of one are handlers of the other. */
const make = () => HttpApi.make("llm-gateway")

/** The routes that are served through their schemas. */
export class AdminApi extends make()
  .add(AnalyticsApi)
  .add(KeysApi)
  .add(TeamsApi)
  .add(BudgetsApi)
  .add(AuditApi)
  .add(ProvidersApi)
  .add(RoutesApi)
  .add(ConfigApi)
  .add(SessionApi)
  .add(SystemApi) {}

/** The whole public contract, importable by a client. Handlers of each group stand in `http/` under the same file name. */
export class GatewayApi extends make()
  .add(InferApi)
  .add(OpenAiApi)
  .add(MessagesApi)
  .add(ResponsesApi)
  .add(ChildKeysApi)
  .add(AnalyticsApi)
  .add(AuditApi)
  .add(KeysApi)
  .add(TeamsApi)
  .add(BudgetsApi)
  .add(ProvidersApi)
  .add(RoutesApi)
  .add(ConfigApi)
  .add(SessionApi)
  .add(SystemApi)
  .annotate(HttpApi.AdditionalSchemas, [
    InferStreamEvent,
    ChatCompletionChunk,
    MessageStreamEvent,
    ResponseEvent,
  ])
  .annotateMerge(
    OpenApi.annotations({
      title: "LLM Inference Gateway",
      description: "One HTTP service between applications and LLM providers.",
    }),
  ) {}
