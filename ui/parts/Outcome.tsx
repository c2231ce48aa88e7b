import { Badge } from "./Badge.tsx"

/** The status that a request was answered with, which is no success by itself: a stream may break after its 200. */
export const Outcome = ({ isError, status }: { readonly status: number; readonly isError: boolean }) => {
  const kind = status >= 500 || (status < 400 && isError) ? "bad" : status >= 400 ? "warn" : "good"
  return <Badge kind={kind}>{status}</Badge>
}
