import { Effect, FileSystem, Result, Schema } from "effect"
import { Yaml } from "effect/encoding"
import { faultsOf } from "../domain/faults.ts"
import { oneLine } from "../domain/one-line.ts"
import { GatewayFile } from "./GatewayConfig.ts"
import { SettingsError } from "./SettingsError.ts"

/**
 * Reads the YAML file that `GATEWAY_CONFIG` names. Every fault is kept, as `path rule`, e.g.
 * `routes.auto.weights.cost must be a number from 0 to 1`, never with a value.
 */

/** A file that leaves everything at its default. */
export const emptyFile: GatewayFile = Schema.decodeSync(GatewayFile)({})

const decode = Schema.decodeUnknownResult(GatewayFile, { errors: "all", onExcessProperty: "error" })

/** Takes one fault of the file: where it is as written, and the rule that is broken there. */
export type ReportFault = (path: ReadonlyArray<PropertyKey>, rule: string) => void

/** Decodes the text of a document, or returns every fault in it. */
export const parseGatewayFile = (source: string): Result.Result<GatewayFile, ReadonlyArray<string>> =>
  Result.try({
    // A copy: its texts are no views of the whole file, which `JSON.stringify` writes much more slowly than others.
    try: () => structuredClone(Yaml.parse(source)),
    catch: (error) => [
      `is not valid YAML: ${oneLine(error instanceof Error ? error.message : String(error))}`,
    ],
  }).pipe(
    Result.flatMap((document) =>
      // A file of comments only says that everything is default.
      Result.mapError(decode(document ?? {}), (error) => faultsOf(error.issue)),
    ),
  )

/** Puts the file's name before each fault found in it. */
export const inFile = (file: string, faults: ReadonlyArray<string>): SettingsError =>
  new SettingsError({ faults: faults.map((fault) => `${oneLine(file)}: ${fault}`) })

export const readGatewayFile = (
  file: string,
): Effect.Effect<GatewayFile, SettingsError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const source = yield* Effect.mapError(
      fs.readFileString(file),
      () =>
        new SettingsError({ faults: [`GATEWAY_CONFIG names a file that cannot be read: ${oneLine(file)}`] }),
    )
    return yield* Effect.mapError(Effect.fromResult(parseGatewayFile(source)), (faults) =>
      inFile(file, faults),
    )
  })
