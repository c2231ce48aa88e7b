import { Context } from "effect"

/** Who makes a change, and by which way it came. */
export interface Actor {
  /** The name of an admin token; `cli:user@host`; `key:` and a key's id; `gateway`. */
  readonly name: string
  readonly via: "api" | "cli" | "key" | "gateway"
  /** The HTTP request that asked for it. */
  readonly requestId?: string
}

/** The actor of what runs: said by whoever lets somebody in, read where a change is written. */
export const CurrentActor = Context.Reference<Actor>("gateway/audit/CurrentActor", {
  defaultValue: () => ({ name: "gateway", via: "gateway" }),
})
