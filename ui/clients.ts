/** How the clients of docs/clients.md are pointed at a gateway: each was run so. */

/** What stands in a set-up. The address has no slash at its end. */
export interface Place {
  readonly address: string
  readonly key: string
  readonly model: string
}

interface Step {
  readonly title: string
  readonly text: (place: Place) => string
}

interface Client {
  readonly id: string
  readonly name: string
  readonly dialects: string
  readonly steps: ReadonlyArray<Step>
  readonly notes?: ReadonlyArray<string>
}

/** Begins with those that write their own programs. */
export const clients: ReadonlyArray<Client> = [
  {
    id: "curl",
    name: "curl",
    dialects: "every dialect of the gateway",
    steps: [
      {
        title: "Shell",
        text: ({ address, key, model }) => `curl ${address}/infer \\
  -H "X-API-Key: ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "prompt": "Say hello", "explain": true}'`,
      },
      {
        title: "The same as a chat completion",
        text: ({ address, key, model }) => `curl -N ${address}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello"}], "stream": true}'`,
      },
    ],
    notes: ["`explain` adds why this model was asked; `dry_run` tells who would be asked and asks nobody."],
  },
  {
    id: "openai-python",
    name: "OpenAI SDK, Python",
    dialects: "chat, Responses",
    steps: [
      { title: "Install", text: () => "pip install openai" },
      {
        title: "Python",
        text: ({ address, key, model }) => `import uuid
from openai import OpenAI

client = OpenAI(base_url="${address}/v1", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Say hello"}],
    extra_headers={"Idempotency-Key": str(uuid.uuid4())},
)
print(answer.choices[0].message.content)`,
      },
    ],
    notes: [
      "The package's own retries send the same `Idempotency-Key` again, so that the request runs once.",
    ],
  },
  {
    id: "openai-typescript",
    name: "OpenAI SDK, TypeScript",
    dialects: "chat, Responses",
    steps: [
      { title: "Install", text: () => "npm install openai" },
      {
        title: "TypeScript",
        text: ({ address, key, model }) => `import OpenAI from "openai"

const client = new OpenAI({ baseURL: "${address}/v1", apiKey: "${key}" })
const stream = await client.chat.completions.create(
  { model: "${model}", messages: [{ role: "user", content: "Say hello" }], stream: true },
  { headers: { "Idempotency-Key": crypto.randomUUID() } },
)
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "")`,
      },
    ],
    notes: [
      "The package's own retries send the same `Idempotency-Key` again, so that the request runs once.",
    ],
  },
  {
    id: "anthropic-python",
    name: "Anthropic SDK, Python",
    dialects: "Messages",
    steps: [
      { title: "Install", text: () => "pip install anthropic" },
      {
        title: "Python",
        text: ({ address, key, model }) => `from anthropic import Anthropic

client = Anthropic(base_url="${address}", auth_token="${key}")
answer = client.messages.create(
    model="${model}",
    max_tokens=200,
    messages=[{"role": "user", "content": "Say hello"}],
)
print(answer.content[0].text)`,
      },
    ],
  },
  {
    id: "anthropic-typescript",
    name: "Anthropic SDK, TypeScript",
    dialects: "Messages",
    steps: [
      { title: "Install", text: () => "npm install @anthropic-ai/sdk" },
      {
        title: "TypeScript",
        text: ({ address, key, model }) => `import Anthropic from "@anthropic-ai/sdk"

const client = new Anthropic({ baseURL: "${address}", authToken: "${key}" })
const stream = client.messages.stream({
  model: "${model}",
  max_tokens: 200,
  messages: [{ role: "user", content: "Say hello" }],
})
stream.on("text", (text) => process.stdout.write(text))
await stream.finalMessage()`,
      },
    ],
  },
  {
    id: "claude-code",
    name: "Claude Code",
    dialects: "Messages",
    steps: [
      {
        title: "Shell",
        text: ({ address, key, model }) => `export ANTHROPIC_BASE_URL=${address}
export ANTHROPIC_AUTH_TOKEN=${key}
export ANTHROPIC_MODEL=${model} ANTHROPIC_DEFAULT_HAIKU_MODEL=${model}
export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
claude`,
      },
    ],
    notes: [
      "The Claude Agent SDK takes the same variables in `env`.",
      "A model that puts out less than Claude Code asks for is left out: `CLAUDE_CODE_MAX_OUTPUT_TOKENS` asks for less.",
    ],
  },
  {
    id: "codex",
    name: "Codex CLI",
    dialects: "Responses",
    steps: [
      {
        title: "~/.codex/config.toml",
        text: ({ address, model }) => `model = "${model}"
model_provider = "gateway"

[model_providers.gateway]
name = "gateway"
base_url = "${address}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"`,
      },
      {
        title: "Shell",
        text: ({ key }) => `export GATEWAY_KEY=${key}
codex`,
      },
    ],
  },
  {
    id: "open-webui",
    name: "Open WebUI",
    dialects: "chat, Responses",
    steps: [
      {
        title: "Shell",
        text: ({
          address,
          key,
        }) => `docker run -p 3000:8080 -e OPENAI_API_BASE_URL=${address}/v1 -e OPENAI_API_KEY=${key} \\
  ghcr.io/open-webui/open-webui:main`,
      },
    ],
    notes: [
      "Its list of models is what the key may ask for.",
      "Inside a container 127.0.0.1 is the container: there this machine is `host.docker.internal`.",
    ],
  },
  {
    id: "langchain",
    name: "LangChain",
    dialects: "chat, Responses, Messages",
    steps: [
      {
        title: "Python",
        text: ({ address, key, model }) => `from langchain_openai import ChatOpenAI

chat = ChatOpenAI(model="${model}", base_url="${address}/v1", api_key="${key}", stream_usage=True)
print(chat.invoke("Say hello").content)`,
      },
      {
        title: "TypeScript",
        text: ({ address, key, model }) => `import { ChatOpenAI } from "@langchain/openai"

const chat = new ChatOpenAI({
  model: "${model}",
  apiKey: "${key}",
  configuration: { baseURL: "${address}/v1" },
})
console.log((await chat.invoke("Say hello")).text)`,
      },
    ],
    notes: ["`use_responses_api=True` (`useResponsesApi`) has `ChatOpenAI` speak Responses."],
  },
  {
    id: "vercel-ai",
    name: "Vercel AI SDK",
    dialects: "Responses, chat, Messages",
    steps: [
      {
        title: "TypeScript",
        text: ({ address, key, model }) => `import { createOpenAI } from "@ai-sdk/openai"
import { generateText } from "ai"

const gateway = createOpenAI({ baseURL: "${address}/v1", apiKey: "${key}" })
const { text } = await generateText({
  model: gateway("${model}"),
  prompt: "Say hello",
  providerOptions: { openai: { store: false } },
})
console.log(text)`,
      },
    ],
    notes: ['`gateway.chat("auto")` speaks chat. `createAnthropic` takes the same address with `authToken`.'],
  },
  {
    id: "openai-agents",
    name: "OpenAI Agents SDK",
    dialects: "Responses, chat",
    steps: [
      {
        title: "Python",
        text: ({
          address,
          key,
          model,
        }) => `from agents import Agent, Runner, set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI

set_default_openai_client(AsyncOpenAI(base_url="${address}/v1", api_key="${key}"))
set_tracing_disabled(True)
agent = Agent(name="helper", model="${model}")
print(Runner.run_sync(agent, "Say hello").final_output)`,
      },
    ],
  },
  {
    id: "llama-index",
    name: "LlamaIndex",
    dialects: "chat, Responses, Messages",
    steps: [
      {
        title: "Python",
        text: ({ address, key, model }) => `from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(
    model="${model}",
    api_base="${address}/v1",
    api_key="${key}",
    is_chat_model=True,
    is_function_calling_model=True,
)
print(llm.complete("Say hello"))`,
      },
    ],
  },
  {
    id: "pydantic-ai",
    name: "Pydantic AI",
    dialects: "chat, Responses, Messages",
    steps: [
      {
        title: "Python",
        text: ({ address, key, model }) => `from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url="${address}/v1", api_key="${key}")
agent = Agent(OpenAIChatModel("${model}", provider=provider))
print(agent.run_sync("Say hello").output)`,
      },
    ],
  },
  {
    id: "litellm",
    name: "LiteLLM's package",
    dialects: "chat, Responses, Messages",
    steps: [
      {
        title: "Python",
        text: ({ address, key, model }) => `import litellm

answer = litellm.completion(
    model="openai/${model}",
    api_base="${address}/v1",
    api_key="${key}",
    messages=[{"role": "user", "content": "Say hello"}],
)
print(answer.choices[0].message.content)`,
      },
    ],
  },
  {
    id: "librechat",
    name: "LibreChat",
    dialects: "chat",
    steps: [
      {
        title: "librechat.yaml",
        text: ({ address, key, model }) => `endpoints:
  custom:
    - name: gateway
      apiKey: ${key}
      baseURL: ${address}/v1
      models: { default: ["${model}"], fetch: true }
      titleConvo: true
      titleModel: "${model}"`,
      },
    ],
    notes: ["By its documents alone: it was not run here."],
  },
  {
    id: "opencode",
    name: "opencode",
    dialects: "chat, Responses, Messages",
    steps: [
      {
        title: "opencode.json",
        text: ({ address, key, model }) => `{
  "provider": {
    "gateway": {
      "npm": "@ai-sdk/openai-compatible",
      "options": { "baseURL": "${address}/v1", "apiKey": "${key}" },
      "models": { "${model}": {} }
    }
  },
  "model": "gateway/${model}"
}`,
      },
    ],
    notes: ["`@ai-sdk/openai` as `npm` speaks Responses, `@ai-sdk/anthropic` Messages."],
  },
  {
    id: "aider",
    name: "Aider",
    dialects: "chat, Messages",
    steps: [
      {
        title: "Shell",
        text: ({ address, key, model }) => `export OPENAI_API_BASE=${address}/v1 OPENAI_API_KEY=${key}
aider --model openai/${model}`,
      },
    ],
  },
  {
    id: "cline",
    name: "Cline",
    dialects: "chat",
    steps: [
      {
        title: "Shell",
        text: ({ address, key, model }) =>
          `cline auth -p openai-compatible -b ${address}/v1 -k ${key} -m ${model}`,
      },
    ],
    notes: ['In the editor: API provider "OpenAI Compatible" with the same address, key and model.'],
  },
  {
    id: "continue",
    name: "Continue",
    dialects: "chat, Messages",
    steps: [
      {
        title: "config.yaml",
        text: ({ address, key, model }) => `name: gateway
version: 1.0.0
schema: v1
models:
  - name: gateway
    provider: openai
    model: "${model}"
    apiBase: ${address}/v1
    apiKey: ${key}`,
      },
    ],
  },
  {
    id: "cursor",
    name: "Cursor",
    dialects: "chat, Responses",
    steps: [
      { title: "Settings, Models, Override OpenAI Base URL", text: ({ address }) => `${address}/v1` },
      { title: "The same place, OpenAI API Key", text: ({ key }) => key },
    ],
    notes: [
      "Cursor's own servers send the requests: the address has to be a public one.",
      "By its documents alone: it was not run here.",
    ],
  },
  {
    id: "qwen-code",
    name: "Qwen Code",
    dialects: "chat, Messages",
    steps: [
      {
        title: "Shell",
        text: ({ address, key, model }) => `export OPENAI_BASE_URL=${address}/v1 OPENAI_API_KEY=${key}
qwen --auth-type openai -m ${model}`,
      },
    ],
  },
]
