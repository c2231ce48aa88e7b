// Asks the gateway with OpenAI's own client: its address and an API key of the gateway's are all that changes.
// `maxRetries: 0`, since the gateway retries and falls back to other providers itself, under one deadline.
// Run: npm install openai, then GATEWAY_KEY=gwk_… node examples/openai.ts (Node 24 or newer; GATEWAY_URL if need be)
import OpenAI from "openai"

const client = new OpenAI({
  baseURL: `${process.env.GATEWAY_URL ?? "http://127.0.0.1:8000"}/v1`,
  apiKey: process.env.GATEWAY_KEY,
  maxRetries: 0,
})

const { data, response } = await client.chat.completions
  .create({ model: "auto", messages: [{ role: "user", content: "Say hello" }], max_tokens: 20 })
  .withResponse()
console.log(data.choices[0]?.message.content)
console.log(
  `answered by ${response.headers.get("x-gateway-provider")} for $${response.headers.get("x-gateway-cost")}`,
)

const stream = await client.chat.completions.create({
  model: "auto",
  messages: [{ role: "user", content: "Say hello, slowly" }],
  stream: true,
})
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "")
console.log()
