import type { Principal, SubjectLimits } from "../../src/auth/Principal.ts"
import { KeyId } from "../../src/domain/Ids.ts"

/** The owner of a key of which no more is said than what a test is about. */
export const principalOf = (
  keyId: string,
  {
    limits = {},
    ...changes
  }: Partial<Omit<Principal, "keyId" | "limits">> & {
    readonly limits?: Omit<SubjectLimits, "scope" | "subject">
  } = {},
): Principal => ({
  keyId: KeyId.make(keyId),
  name: "a key",
  tags: [],
  mayIssue: false,
  limits: [{ scope: "key", subject: keyId, ...limits }],
  budgets: [],
  ...changes,
})
