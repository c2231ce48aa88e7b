import type { ProviderConfig } from "../config/GatewayConfig.ts"

/** A provider as OpenTelemetry's conventions for generative AI tell of it. */
export interface Peer {
  /** `gen_ai.provider.name`: one of the conventions' names, or that of the configuration where they have none. */
  readonly system: string
  /** Absent for a simulated one. */
  readonly address?: string
  readonly port?: number
}

/** The conventions' names by the end of a host's. */
const BY_HOST: ReadonlyArray<readonly [host: string, system: string]> = [
  ["api.openai.com", "openai"],
  ["openai.azure.com", "azure.ai.openai"],
  ["services.ai.azure.com", "azure.ai.inference"],
  ["amazonaws.com", "aws.bedrock"],
  ["generativelanguage.googleapis.com", "gcp.gemini"],
  ["aiplatform.googleapis.com", "gcp.vertex_ai"],
  ["anthropic.com", "anthropic"],
  ["cohere.com", "cohere"],
  ["cohere.ai", "cohere"],
  ["deepseek.com", "deepseek"],
  ["groq.com", "groq"],
  ["ml.cloud.ibm.com", "ibm.watsonx.ai"],
  ["mistral.ai", "mistral_ai"],
  ["moonshot.ai", "moonshot_ai"],
  ["moonshot.cn", "moonshot_ai"],
  ["perplexity.ai", "perplexity"],
  ["x.ai", "x_ai"],
]

const BY_KIND = { openai: "openai", gemini: "gcp.gemini", anthropic: "anthropic" } as const

const peerOf = (config: ProviderConfig): Peer => {
  if (config.kind === "simulated") return { system: config.name }
  const { hostname, port, protocol } = new URL(config.baseUrl)
  const known = BY_HOST.find(([host]) => hostname === host || hostname.endsWith(`.${host}`))?.[1]
  const usual = config.kind === "openai-compatible" ? config.name : BY_KIND[config.kind]
  return {
    system: known ?? usual,
    address: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (protocol === "http:" ? 80 : 443) : Number(port),
  }
}

/** Makes a function from the name of a configured provider to what telemetry says of it. */
export const peersOf = (providers: ReadonlyArray<ProviderConfig>): ((provider: string) => Peer) => {
  const peers = new Map(providers.map((config) => [config.name, peerOf(config)]))
  return (provider) => peers.get(provider) ?? { system: provider }
}
