import { fromUsd } from "../domain/Money.ts"
import { type Input, type ModelConfig, type PriceRow, startOf } from "./model.ts"

/** Makes rows of the built-in list out of what a vendor's page of prices says. */

const SOURCE = "genai-prices 0.1.8"
const AS_OF = "2026-11-28"

/** What some models have beyond one price each way. */
export interface More {
  /** Writing to the cache costs so many times the input. */
  readonly cacheWrite?: number
  /** Writing for an hour costs so many times the input. */
  readonly cacheWrite1h?: number
  /** USD for each search that the vendor makes itself, of the web and of files. */
  readonly webSearch?: number
  readonly fileSearch?: number
  /** From more than so many input tokens on, everything costs so many times as much. */
  readonly long?: { readonly above: number; readonly input: number; readonly output: number }
  /** Audio in costs what text does, or so many USD; from the cache in proportion. */
  readonly audio?: "as text" | number
  /** Factors of service tiers; absent: none is known. */
  readonly tiers?: Readonly<Record<string, number>>
  /** Where the price was read, when not where the others were. */
  readonly source?: string
  /** What it reads; absent where nobody says. */
  readonly inputs?: ReadonlyArray<Input>
  /** Parameters that it refuses, as its vendor's documents say. */
  readonly unsupported?: ReadonlyArray<string>
  /** The price holds from this day on; until then input, cached input and output cost what is said here. */
  readonly from?: { readonly day: string; readonly before: Usd }
}

/** Input, cached input and output, each for a million tokens. */
type Usd = readonly [number, number, number]

const ratesOf = ([input, cachedInput, output]: Usd, { audio, cacheWrite, cacheWrite1h }: More) => ({
  inputNanoPer1M: fromUsd(input),
  cachedInputNanoPer1M: fromUsd(cachedInput),
  ...(cacheWrite !== undefined && { cacheWriteNanoPer1M: fromUsd(input * cacheWrite) }),
  ...(cacheWrite1h !== undefined && { cacheWrite1hNanoPer1M: fromUsd(input * cacheWrite1h) }),
  outputNanoPer1M: fromUsd(output),
  ...(audio !== undefined && {
    audioInputNanoPer1M: fromUsd(audio === "as text" ? input : audio),
    cachedAudioInputNanoPer1M: fromUsd(audio === "as text" ? cachedInput : (audio * cachedInput) / input),
  }),
})

const priceRow = (usd: Usd, more: More): PriceRow => {
  const { fileSearch, long, source = SOURCE, tiers, webSearch } = more
  const [input, cachedInput, output] = usd
  return {
    ...ratesOf(usd, more),
    ...(long !== undefined && {
      bands: [
        {
          aboveTokens: long.above,
          ...ratesOf([input * long.input, cachedInput * long.input, output * long.output], more),
        },
      ],
    }),
    ...(tiers !== undefined && { serviceTiers: tiers }),
    ...(webSearch !== undefined && { webSearchNano: fromUsd(webSearch) }),
    ...(fileSearch !== undefined && { fileSearchNano: fromUsd(fileSearch) }),
    source,
    asOf: AS_OF,
  }
}

/** Makes a row of a model that chats: its prices, its window and, where it is known, what it puts out at most. */
export const row = (
  name: string,
  input: number,
  cachedInput: number,
  output: number,
  contextWindow: number,
  maxOutputTokens: number | undefined,
  ...more: ReadonlyArray<More>
): ModelConfig => {
  const all: More = Object.assign({}, ...more)
  const price = priceRow([input, cachedInput, output], all)
  return {
    name,
    kind: "chat",
    contextWindow,
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(all.inputs !== undefined && { inputs: all.inputs }),
    ...(all.unsupported !== undefined && { unsupported: all.unsupported }),
    price:
      all.from === undefined
        ? price
        : { ...price, validFrom: startOf(all.from.day), earlier: [priceRow(all.from.before, all)] },
  }
}

/** Returns a model without the prices of what its vendor does besides. */
export const withoutCalls = ({ price, ...model }: ModelConfig): ModelConfig => {
  if (price === undefined) return model
  const { earlier, fileSearchNano: _, webSearchNano: __, ...row } = price
  const before = earlier?.map(({ fileSearchNano: _, webSearchNano: __, ...each }) => each)
  return { ...model, price: before === undefined ? row : { ...row, earlier: before } }
}

/** Says what a model cost before the day from which its prices hold. */
export const from = (day: string, ...before: Usd): More => ({ from: { day, before } })

/** Makes a row of a model that neither caches nor puts out. Its window holds each input of a request by itself. */
export const embedding = (name: string, input: number, contextWindow: number): ModelConfig => ({
  name,
  kind: "embedding",
  contextWindow,
  price: priceRow([input, input, 0], {}),
})
