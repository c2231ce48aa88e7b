/** Requests for the embeddings of 500,000 inputs of one letter, which fit into 2 MB, on two connections. */
import { closedLoop } from "../load.ts"
import { post } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs } from "./keys.ts"
import { startProvider } from "./provider.ts"

const INPUTS = 500_000
const CONNECTIONS = 2
const HANGS_MS = 5_000
const MODEL = "attack-embedding"

const answer = JSON.stringify({
  object: "list",
  data: [{ object: "embedding", index: 0, embedding: [0.5] }],
  model: MODEL,
  usage: { prompt_tokens: INPUTS, total_tokens: INPUTS },
})

export const embeddingsUnion = async (): Promise<Attack> => {
  const provider = await startProvider("embedder", (response) => {
    response.setHeader("content-type", "application/json")
    response.end(answer)
  })
  return {
    providers: `${provider.entry}      - { name: ${MODEL}, kind: embedding }\n`,
    close: provider.close,
    run: async ({ gateway, seconds, key }) => {
      const request = post(
        { ...chatAs(await key()), path: "/v1/embeddings" },
        { model: MODEL, input: new Array(INPUTS).fill("a") },
        { markers: 0, stream: false },
      )
      return deedsOf(await closedLoop(gateway().port, request, CONNECTIONS, seconds, HANGS_MS))
    },
  }
}
