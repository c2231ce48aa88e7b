import { mkdtemp, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Redacted } from "effect"
import type { FakeUpstream } from "./FakeUpstream.ts"
import { ADMIN_JWT_SECRET } from "./GatewayClient.ts"

export interface GatewayOptions {
  /** YAML of GATEWAY_CONFIG. */
  readonly config?: string
  readonly env?: Readonly<Record<string, string>>
  /** Absent = embedded in a temporary DATA_DIR. */
  readonly databaseUrl?: Redacted.Redacted
}

/** Makes a folder for a gateway's files, and the settings that it is started with. Its starter removes the folder. */
export const prepareGateway = async ({ config, databaseUrl, env }: GatewayOptions) => {
  const folder = await mkdtemp(join(tmpdir(), "gateway-test-"))
  const file = join(folder, "gateway.yaml")
  if (config !== undefined) await writeFile(file, config)
  const settings: Record<string, string> = {
    PORT: "0",
    LOG_FORMAT: "json",
    DATA_DIR: join(folder, "data"),
    ADMIN_JWT_SECRET,
    ...(config === undefined ? {} : { GATEWAY_CONFIG: file }),
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: Redacted.value(databaseUrl) }),
    ...env,
  }
  return { folder, settings }
}

/** Finds in a gateway's greeting, which comes once it is ready, where it listens. */
export const greetedUrl = (stdout: string): string | undefined => /listening on (http:\S+)/.exec(stdout)?.[1]

/** One OpenAI-compatible provider per fake upstream, named `p0`, `p1` …, each with one model `m`, a little larger than the one before. */
export const providersYaml = (
  upstreams: ReadonlyArray<FakeUpstream>,
  rest = "",
  inputUsdPer1M = (i: number) => i + 1,
): string =>
  [
    "providers:",
    ...upstreams.map(
      (upstream, i) => `  - name: p${i}
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    models:
      - name: m
        context_window: ${8_000 + i}
        max_output_tokens: 4000
        price: { input_usd_per_1m: ${inputUsdPer1M(i)}, output_usd_per_1m: ${2 * inputUsdPer1M(i)}, source: test, as_of: 2026-11-01 }`,
    ),
    rest,
  ].join("\n")
