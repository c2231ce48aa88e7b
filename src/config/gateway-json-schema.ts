import { JsonSchema, Schema } from "effect"
import { GatewayFile } from "./GatewayConfig.ts"

const { schema, definitions } = JsonSchema.toDocumentDraft07(
  Schema.toJsonSchemaDocument(GatewayFile, { onExcessProperty: "error" }),
)

/**
 * JSON Schema of the YAML file, for editors; draft-07 is what they all read. It accepts every file that the gateway
 * accepts and refuses misspelt fields; rules between settings stay with the gateway. Kept as docs/gateway.schema.json.
 */
export const gatewayJsonSchema: JsonSchema.JsonSchema = {
  $schema: JsonSchema.META_SCHEMA_URI_DRAFT_07,
  title: "Configuration file of the LLM inference gateway",
  ...schema,
  ...(Object.keys(definitions).length > 0 && { definitions }),
}
