import type { PresetName } from "../catalog/vendors.ts"

/**
 * LiteLLM's providers as data: what stands before the slash of a `model`, and what that is here. Addresses and the variables of
 * keys are LiteLLM's own defaults (version 1.110), for configurations that leave them out.
 */

type Kind = "openai" | "anthropic" | "gemini"

/** What a provider of the file is made of. */
export type Target =
  | { readonly kind: Kind }
  | { readonly preset: PresetName }
  /** An OpenAI-compatible endpoint; without an address one has to be stated. */
  | { readonly compatible: string | undefined }

export interface LitellmVendor {
  readonly target: Target
  /** The variable that LiteLLM reads where the configuration states no key; absent where it needs none. */
  readonly keyVariable?: string
  /** What differs from LiteLLM, whichever model it is. */
  readonly note?: string
  readonly reportsCost?: true
}

const kind = (name: Kind, keyVariable: string): LitellmVendor => ({ target: { kind: name }, keyVariable })
const preset = (name: PresetName, keyVariable?: string, note?: string): LitellmVendor => ({
  target: { preset: name },
  ...(keyVariable !== undefined && { keyVariable }),
  ...(note !== undefined && { note }),
})
const at = (address: string | undefined, keyVariable?: string): LitellmVendor => ({
  target: { compatible: address },
  ...(keyVariable !== undefined && { keyVariable }),
})

const AZURE = "asked by Azure's v1 API, which goes by the name of the deployment"
const BEDROCK =
  "asked with a Bedrock API key; Bedrock answers chat completions for OpenAI's open models, and Messages for Claude. Try others: llm-gateway providers check"
const VERTEX = "asked in express mode, with an API key and no project"

export const litellmVendors: ReadonlyMap<string, LitellmVendor> = new Map(
  Object.entries<LitellmVendor>({
    openai: kind("openai", "OPENAI_API_KEY"),
    anthropic: kind("anthropic", "ANTHROPIC_API_KEY"),
    gemini: kind("gemini", "GEMINI_API_KEY"),
    azure: preset("azure", "AZURE_API_KEY", AZURE),
    azure_ai: preset("azure", "AZURE_AI_API_KEY", AZURE),
    bedrock: preset("bedrock", "AWS_BEARER_TOKEN_BEDROCK", BEDROCK),
    bedrock_converse: preset("bedrock", "AWS_BEARER_TOKEN_BEDROCK", BEDROCK),
    vertex_ai: preset("vertex", "VERTEX_API_KEY", VERTEX),
    vertex_ai_beta: preset("vertex", "VERTEX_API_KEY", VERTEX),
    mistral: preset("mistral", "MISTRAL_API_KEY"),
    groq: preset("groq", "GROQ_API_KEY"),
    deepseek: preset("deepseek", "DEEPSEEK_API_KEY"),
    xai: preset("xai", "XAI_API_KEY"),
    openrouter: preset("openrouter", "OPENROUTER_API_KEY"),
    together_ai: preset("together", "TOGETHERAI_API_KEY"),
    fireworks_ai: preset("fireworks", "FIREWORKS_API_KEY"),
    cerebras: preset("cerebras", "CEREBRAS_API_KEY"),
    moonshot: preset("moonshot", "MOONSHOT_API_KEY"),
    ollama: preset("ollama"),
    ollama_chat: preset("ollama"),
    hosted_vllm: preset("vllm"),
    lm_studio: preset("lmstudio"),
    perplexity: { ...at("https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"), reportsCost: true },
    deepinfra: { ...at("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"), reportsCost: true },
    vercel_ai_gateway: {
      ...at("https://ai-gateway.vercel.sh/v1", "VERCEL_AI_GATEWAY_API_KEY"),
      reportsCost: true,
    },
    nvidia_nim: at("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    sambanova: at("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    meta_llama: at("https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    nebius: at("https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    ai21: at("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    ai21_chat: at("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    volcengine: at("https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    codestral: at("https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    github: at("https://models.inference.ai.azure.com", "GITHUB_API_KEY"),
    friendliai: at("https://api.friendli.ai/serverless/v1", "FRIENDLIAI_API_KEY"),
    galadriel: at("https://api.galadriel.com/v1", "GALADRIEL_API_KEY"),
    novita: at("https://api.novita.ai/v3/openai", "NOVITA_API_KEY"),
    featherless_ai: at("https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY"),
    lambda_ai: at("https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    hyperbolic: at("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    wandb: at("https://api.inference.wandb.ai/v1", "WANDB_API_KEY"),
    inception: at("https://api.inceptionlabs.ai/v1", "INCEPTION_API_KEY"),
    v0: at("https://api.v0.dev/v1", "V0_API_KEY"),
    morph: at("https://api.morphllm.com/v1", "MORPH_API_KEY"),
    nscale: at("https://inference.api.nscale.com/v1", "NSCALE_API_KEY"),
    aiml: at("https://api.aimlapi.com/v1", "AIML_API_KEY"),
    zai: at("https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    baseten: at("https://inference.baseten.co/v1", "BASETEN_API_KEY"),
    publicai: at("https://api.publicai.co/v1", "PUBLICAI_API_KEY"),
    veniceai: at("https://api.venice.ai/api/v1", "VENICE_AI_API_KEY"),
    scaleway: at("https://api.scaleway.ai/v1", "SCW_SECRET_KEY"),
    synthetic: at("https://api.synthetic.new/openai/v1", "SYNTHETIC_API_KEY"),
    "nano-gpt": at("https://nano-gpt.com/api/v1", "NANOGPT_API_KEY"),
    poe: at("https://api.poe.com/v1", "POE_API_KEY"),
    chutes: at("https://llm.chutes.ai/v1", "CHUTES_API_KEY"),
    llamafile: at("http://127.0.0.1:8080/v1"),
    xinference: at("http://127.0.0.1:9997/v1"),
    dashscope: at(undefined, "DASHSCOPE_API_KEY"),
    minimax: at(undefined, "MINIMAX_API_KEY"),
    databricks: at(undefined, "DATABRICKS_API_KEY"),
    huggingface: at(undefined, "HF_TOKEN"),
    litellm_proxy: at(undefined, "LITELLM_PROXY_API_KEY"),
    custom_openai: at(undefined),
    openai_like: at(undefined, "OPENAI_LIKE_API_KEY"),
    aiohttp_openai: at(undefined, "OPENAI_API_KEY"),
    docker_model_runner: at(undefined),
    lemonade: at(undefined),
  }),
)

/** Providers with a protocol of their own, or none at all, and what to do about them. */
export const unservedVendors: ReadonlyMap<string, string> = new Map(
  Object.entries({
    auto_router: "a router by meaning: state the candidates in a route, and send requests on by `when`",
    "text-completion-openai": "the completions API of before chat: ask a chat model",
    "text-completion-codestral": "the completions API of before chat: ask a chat model",
    github_copilot: "a subscription with a sign-in, and no API key",
    chatgpt: "a subscription with a sign-in, and no API key",
    sagemaker: "SageMaker's own protocol, signed with AWS keys: put an OpenAI-compatible server before it",
    sagemaker_chat:
      "SageMaker's own protocol, signed with AWS keys: put an OpenAI-compatible server before it",
    cohere: "Cohere's own protocol: its OpenAI-compatible endpoint is a provider of kind openai-compatible",
    cohere_chat:
      "Cohere's own protocol: its OpenAI-compatible endpoint is a provider of kind openai-compatible",
  }),
)

/** What LiteLLM takes a model for that has no provider before a slash. */
export const vendorByName = (model: string): string | undefined => {
  if (
    /^(gpt-|chatgpt-|o\d|codex|computer-use|text-embedding-|ft:|dall-e|whisper|tts-|sora|omni-mod)/.test(
      model,
    )
  )
    return "openai"
  if (model.startsWith("claude")) return "anthropic"
  if (model.startsWith("gemini")) return "vertex_ai"
  return /^(([a-z]{2}|global|apac)\.)?(anthropic|amazon|meta|mistral|cohere|ai21)\./.test(model)
    ? "bedrock"
    : undefined
}

/** Models that answer something else than a chat or an embedding, by their names. */
export const isOfAnotherMode = (model: string): boolean =>
  /(^|\/|-)(dall-e|whisper|tts|sora|veo|imagen|gpt-image|chatgpt-image|rerank|moderation|realtime|transcribe|stable-diffusion)/.test(
    model,
  )

export const isEmbedding = (model: string): boolean => /embed/i.test(model)
