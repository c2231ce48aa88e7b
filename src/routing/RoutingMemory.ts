import { Context, Layer } from "effect"
import type { CallMode } from "../domain/Chat.ts"
import { Conversations } from "./Conversations.ts"
import { LearnedRefusals } from "./LearnedRefusals.ts"
import type { RecentErrors } from "./RecentErrors.ts"
import { RecentFailures } from "./RecentFailures.ts"

/** A field of candidates with one leader: a bare name may stand for models of both kinds, which never compete. */
export type Contest = CallMode | "embedding"

/** What routing learns beside statistics and health, by candidate and by route. It outlives a change of the configuration. */
export class RoutingMemory extends Context.Service<
  RoutingMemory,
  {
    /** Key of the leader by route name. Only configured names get here, so all are bounded. */
    readonly incumbents: Readonly<Record<Contest, Map<string, string>>>
    readonly refusals: LearnedRefusals
    readonly failures: RecentFailures
    readonly conversations: Conversations
    /** How far predictions were off, by candidate. */
    readonly errors: Readonly<Record<CallMode, Map<string, RecentErrors>>>
  }
>()("gateway/routing/RoutingMemory") {
  static readonly layer = Layer.sync(RoutingMemory, () => ({
    incumbents: { whole: new Map(), stream: new Map(), embedding: new Map() },
    refusals: new LearnedRefusals(),
    failures: new RecentFailures(),
    conversations: new Conversations(),
    errors: { whole: new Map(), stream: new Map() },
  }))
}
