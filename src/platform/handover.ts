/** How a supervisor has its workers serve connections that it accepts: messages between the two. */

/** What a worker says. `name` is one of its servers. */
export type HandoverFromWorker =
  /** It wants the connections of an address, which all workers have in common. */
  | { readonly handover: "listen"; readonly name: string; readonly host: string; readonly port: number }
  /** A connection that it was given is its own now. */
  | { readonly handover: "took"; readonly connection: number }
  /** The server closes: what it was given and has not taken by then, it does not take. */
  | { readonly handover: "leaves"; readonly name: string }

/** What it hears. */
export type HandoverToWorker =
  | { readonly handover: "listening"; readonly name: string; readonly host: string; readonly port: number }
  | { readonly handover: "unable"; readonly name: string; readonly code: string; readonly message: string }
  /** The connection comes with the message. */
  | { readonly handover: "connection"; readonly name: string; readonly connection: number }
