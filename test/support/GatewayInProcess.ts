import { rm } from "node:fs/promises"
import { Cause, Clock, ConfigProvider, Console, Effect, Exit, Fiber, Layer, Metric, Tracer } from "effect"
import { identity } from "effect/Function"
import { gateway } from "../../src/app/App.ts"
import { HashCost } from "../../src/auth/SecretHasher.ts"
import { Settings } from "../../src/config/Settings.ts"
import { SocketTimes } from "../../src/http/responses-socket.ts"
import { UploadGraceMs } from "../../src/http/Uploads.ts"
import { layerLoggingNoDeps } from "../../src/observability/Logging.ts"
import { capturedConsole, type Output } from "./captured-console.ts"
import { CHEAPEST } from "./cheap-hashes.ts"
import { GatewayClient, issueAdminToken } from "./GatewayClient.ts"
import { type GatewayOptions, greetedUrl, prepareGateway } from "./gateway-environment.ts"

/**
 * The whole service in the process of the test: the layers that `main.ts` runs, with a real port, real sockets and a real
 * database, but metrics, settings and output of its own, and without what it does to its process (`processPolicy`).
 */
export class GatewayInProcess extends GatewayClient {
  readonly #fiber: Fiber.Fiber<unknown, unknown>
  readonly #folder: string
  readonly #output: Output

  private constructor(
    fiber: Fiber.Fiber<unknown, unknown>,
    folder: string,
    output: Output,
    url: string,
    adminToken: string,
  ) {
    super(url, adminToken)
    this.#fiber = fiber
    this.#folder = folder
    this.#output = output
  }

  /**
   * Resolves when it is ready. `tracer` takes the spans of a gateway that sends none to a collector; `clock` is its clock in
   * place of the machine's; `uploadGraceMs` is what a slow body gets, `socketTimes` what a WebSocket gets.
   */
  static async start(
    options: GatewayOptions & {
      readonly tracer?: Tracer.Tracer
      readonly clock?: Clock.Clock
      readonly uploadGraceMs?: number
      readonly socketTimes?: (typeof SocketTimes)["Service"]
    } = {},
  ): Promise<GatewayInProcess> {
    const { folder, settings } = await prepareGateway(options)
    const listening = Promise.withResolvers<string>()
    const { console, output } = capturedConsole((line) => {
      const url = greetedUrl(line)
      if (url !== undefined) listening.resolve(url)
    })
    const fiber = gateway.pipe(
      Effect.provide(Layer.merge(Settings.layer, layerLoggingNoDeps)),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(settings)),
      Effect.provideService(Console.Console, console),
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provideService(HashCost, CHEAPEST),
      options.uploadGraceMs === undefined
        ? identity
        : Effect.provideService(UploadGraceMs, options.uploadGraceMs),
      options.socketTimes === undefined ? identity : Effect.provideService(SocketTimes, options.socketTimes),
      options.clock === undefined ? identity : Effect.provideService(Clock.Clock, options.clock),
      options.tracer === undefined ? identity : Effect.provideService(Tracer.Tracer, options.tracer),
      Effect.runFork,
    )
    fiber.addObserver((exit) =>
      listening.reject(
        new Error(
          `the gateway ended: ${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""}\n${output.stderr}`,
        ),
      ),
    )
    const url = await listening.promise.catch(async (cause: unknown) => {
      await rm(folder, { recursive: true, force: true })
      throw cause
    })
    return new GatewayInProcess(fiber, folder, output, url, await issueAdminToken())
  }

  get stdout(): string {
    return this.#output.stdout
  }
  get stderr(): string {
    return this.#output.stderr
  }

  /** Ends it as a stop signal does, which no failure may follow. */
  async stop(): Promise<void> {
    const exit = await Effect.runPromise(
      Effect.andThen(Fiber.interrupt(this.#fiber), Fiber.await(this.#fiber)),
    )
    await rm(this.#folder, { recursive: true, force: true })
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) throw Cause.squash(exit.cause)
  }
}
