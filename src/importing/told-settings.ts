import { isEmpty, membersOf, nameOf, type Place, textIn } from "./document.ts"
import type { Report } from "./report.ts"
import { environmentNote, sectionNotes, settingNotes } from "./setting-notes.ts"

/** Says of LiteLLM's settings, of which nothing is made in the file, what takes their place. */

export type Field = (section: Section, name: string) => Place | undefined
export type Section = "router_settings" | "litellm_settings" | "general_settings"

export const ROUTER = "router_settings"
export const LITELLM = "litellm_settings"
export const GENERAL = "general_settings"

const CALLBACKS: ReadonlyMap<string, readonly [to: string, note: string]> = new Map([
  ["prometheus", ["GET /metrics", "always on, with names of its own"]],
  ["otel", ["OTEL_EXPORTER_OTLP_ENDPOINT", "set it to the address of the collector"]],
  ["langfuse_otel", ["OTEL_EXPORTER_OTLP_ENDPOINT", "set it to the address of the collector"]],
  ["arize", ["OTEL_EXPORTER_OTLP_ENDPOINT", "set it to the address of a collector"]],
])

export const tellCallbacks = (field: Field, report: Report): void => {
  for (const name of ["callbacks", "success_callback", "failure_callback"]) {
    const place = field(LITELLM, name)
    if (place === undefined) continue
    for (const each of isEmpty(place) || membersOf(place).length === 0 ? [place] : membersOf(place)) {
      const found = CALLBACKS.get(textIn(each) ?? "")
      if (found !== undefined) report.tell(each, "approximated", { to: found[0], note: found[1] })
      else if (isEmpty(each)) report.tell(each, "imported", { note: "says nothing" })
      else report.tell(each, "unsupported", { note: settingNotes.get("callback_settings") ?? "" })
    }
  }
}

/** Says of each setting that has a word of its own what became of it. */
export const tellOthers = (field: Field, report: Report): void => {
  report.tell(field(ROUTER, "enable_pre_call_checks"), "imported", {
    note: "a candidate that a prompt does not fit is never asked",
  })
  report.tell(field(LITELLM, "telemetry"), "imported", { note: "nothing is told to anybody" })
  report.tell(field(LITELLM, "json_logs"), "approximated", {
    to: "LOG_FORMAT",
    note: "set it to json, or to pretty",
  })
  const master =
    "operators have tokens (llm-gateway admin token), and whoever used this as a key gets one: llm-gateway keys create"
  report.tell(field(GENERAL, "master_key"), "unsupported", { note: master })
  report.tell(field(LITELLM, "master_key"), "unsupported", { note: master })
  for (const section of [GENERAL, LITELLM] as const) {
    report.tell(field(section, "database_url"), "unsupported", {
      note: "set DATABASE_URL to a database of the gateway's own: it does not read LiteLLM's",
    })
  }
  report.tell(field(GENERAL, "otel"), "approximated", {
    to: "OTEL_EXPORTER_OTLP_ENDPOINT",
    note: "set it to the address of the collector",
  })
  const size = field(GENERAL, "max_request_size_mb")
  report.tell(size, "approximated", { to: "MAX_BODY_BYTES", note: "set it to as many bytes" })
  report.tell(field(GENERAL, "maximum_spend_logs_retention_period"), "approximated", {
    to: "RETENTION_DAYS",
    note: "set it to as many days",
  })
  report.tell(field(GENERAL, "max_parallel_requests"), "unsupported", {
    note: "state concurrency in limits.models, or limits.concurrency for keys without a limit of their own",
  })
}

/** Says of all that is known by name alone, in the sections and beside them, why nothing was made of it. */
export const tellKnown = (root: Place, report: Report): void => {
  for (const section of membersOf(root)) {
    const name = nameOf(section)
    const isSection = name === ROUTER || name === LITELLM || name === GENERAL
    if (name === "environment_variables") report.tell(section, "unsupported", { note: environmentNote })
    if (isSection && isEmpty(section)) report.tell(section, "imported", { note: "says nothing" })
    const note = sectionNotes.get(name)
    if (note !== undefined) {
      if (isEmpty(section)) report.tell(section, "imported", { note: "says nothing" })
      else report.tell(section, "unsupported", { note })
    }
    for (const place of isSection ? membersOf(section) : []) {
      const reason = settingNotes.get(nameOf(place))
      if (reason === undefined) continue
      if (isEmpty(place)) report.tell(place, "imported", { note: "says nothing" })
      else report.tell(place, "unsupported", { note: reason })
    }
  }
}
