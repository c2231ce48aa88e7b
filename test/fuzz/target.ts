import type { FuzzFault } from "./fuzz.ts"

/** A gateway that answers at once, with a model of every dialect. */
export const fuzzConfig = (upstreamUrl: string): string => `
providers:
  - name: sim
    kind: simulated
    simulation: { median_ms: 1, p95_ms: 1, ms_per_output_token: 0 }
    models: [{ name: m }, { name: e, kind: embedding }]
  - name: o
    kind: openai-compatible
    base_url: ${upstreamUrl}/v1
    models: [{ name: gpt }, { name: embed, kind: embedding }]
  - name: g
    kind: gemini
    base_url: ${upstreamUrl}
    models: [{ name: gemini-2.5-flash }, { name: gemini-3-flash-preview }, { name: embed, kind: embedding }]
  - name: openai
    kind: openai
    base_url: ${upstreamUrl}/v1
    models: [{ name: gpt-5.5 }]
  - name: anthropic
    kind: anthropic
    base_url: ${upstreamUrl}
    models: [{ name: claude-haiku-5-5 }, { name: claude-haiku-4-5 }]
limits: { requests_per_minute: 1000000, max_event_loop_delay_ms: 3600000 }
`

/** Names for the model of a request; the last is nobody's. */
export const fuzzModels = [
  "auto",
  "sim/m",
  "sim/m",
  "sim/e",
  "o/gpt",
  "o/embed",
  "g/gemini-2.5-flash",
  "g/gemini-3-flash-preview",
  "g/embed",
  "openai/gpt-5.5",
  "anthropic/claude-haiku-5-5",
  "anthropic/claude-haiku-4-5",
  "nobody",
]

const SHOWN = 2_000

/** Tells of a fault so that it can be repeated. */
export const inWords = (seed: string, { bytes, index, what }: FuzzFault): string =>
  [
    `case ${index} ${what}`,
    `  again: npm run fuzz -- --seed ${JSON.stringify(seed)} --case ${index}`,
    `  bytes: ${JSON.stringify(bytes.toString("latin1", 0, SHOWN).replaceAll(/gwk_\w+|eyJ[\w.-]+/g, "<credential>"))}`,
  ].join("\n")
