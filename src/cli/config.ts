import { Console } from "effect"
import { Command } from "effect/cli"
import { gatewayJsonSchema } from "../config/gateway-json-schema.ts"

const schema = Command.make("schema", {}, () => Console.log(JSON.stringify(gatewayJsonSchema, null, 2))).pipe(
  Command.withDescription("Print the JSON schema of the YAML file, for editors"),
)

export const config = Command.make("config").pipe(
  Command.withDescription("The YAML file that GATEWAY_CONFIG names"),
  Command.withSubcommands([schema]),
)
