import { Context } from "effect"
import type { Provider } from "./Provider.ts"

/** Every configured provider by name, in configuration order. */
export class Providers extends Context.Service<Providers, ReadonlyMap<string, Provider>>()(
  "gateway/providers/Providers",
) {}
