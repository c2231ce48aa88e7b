/** The first thing in a client's request that breaks a rule: where it stands, and the rule. */
export interface Mistake {
  readonly path: ReadonlyArray<string | number>
  readonly rule: string
}

/** Notes the first mistake of a request, so that what reads it need not stop at each. */
export class Mistakes {
  first: Mistake | undefined

  add(path: Mistake["path"], rule: string): void {
    this.first ??= { path, rule }
  }
}
