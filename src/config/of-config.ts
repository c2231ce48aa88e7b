import type { GatewayConfig } from "./GatewayConfig.ts"

/** Makes something of the configuration that the gateway runs on: once, and again after each reload. */
export const ofConfig = <A>(
  settings: { readonly gateway: GatewayConfig },
  make: (gateway: GatewayConfig) => A,
): (() => A) => {
  let { gateway } = settings
  let made = make(gateway)
  return () => {
    if (settings.gateway !== gateway) {
      gateway = settings.gateway
      made = make(gateway)
    }
    return made
  }
}
