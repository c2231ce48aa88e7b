/** Streams as fast as they go, and 500 of them at the pace of a model; a piece that does not arrive is a fault. */
import { MS_BETWEEN_PACED } from "../answers.ts"
import { closedLoop, steadyStreams } from "../load.ts"
import { interleaved, type Rounds } from "../measure.ts"
import {
  against,
  bottlenecks,
  cell,
  chart,
  disturbances,
  faultsOf,
  ratioCells,
  raw,
  type Section,
  subtract,
} from "../report.ts"
import { messageStream, stream } from "../requests.ts"
import { shown } from "../statistics.ts"
import { DIRECT, FULL, type Subject } from "../subject.ts"
import type { Run } from "./run.ts"

const CONNECTIONS = 64
const PIECES = 50
const MESSAGES = "full, /v1/messages"
const STEADY_STREAMS = 500
const STEADY_PIECES = 100
const STEADY_SECONDS = (STEADY_PIECES * MS_BETWEEN_PACED) / 1_000

const row = (rounds: Rounds, subject: Subject, what: string): ReadonlyArray<string> => [
  subject.title,
  what,
  cell(rounds, subject, "perSecond"),
  cell(rounds, subject, "cpuUs"),
  ...(subject.name === DIRECT ? ["", ""] : ratioCells(rounds, subject)),
  cell(rounds, subject, "firstP50", 1),
  cell(rounds, subject, "firstP99", 1),
  subject.name === DIRECT ? "" : shown(against(rounds, subject, DIRECT, "firstP99", subtract), 1),
]

export const streams = async ({ world, rounds, seconds, say }: Run): Promise<Section> => {
  const subjects = world.subjects.flatMap(
    (subject): ReadonlyArray<Subject> =>
      subject.name === FULL
        ? [subject, { ...subject, name: MESSAGES, title: "this gateway, Messages of Claude's" }]
        : [subject],
  )
  const request = ({ address, name }: Subject) =>
    name === MESSAGES ? messageStream(address.headers, PIECES) : stream(address, PIECES, "at once")
  const atOnce = await interleaved(world, subjects, { rounds, say, what: "streams" }, (subject) =>
    closedLoop(subject.port, request(subject), CONNECTIONS, seconds),
  )
  const each = Math.max(1, Math.round(seconds / STEADY_SECONDS))
  const steady = await interleaved(
    world,
    world.subjects,
    { rounds, say, what: "steady streams" },
    (subject, warmUp) =>
      steadyStreams(
        subject.port,
        stream(subject.address, STEADY_PIECES, "paced"),
        STEADY_STREAMS,
        warmUp ? 1 : each,
      ),
  )
  const [fast, slow] = [
    `${CONNECTIONS} x ${PIECES} pieces at once`,
    `${STEADY_STREAMS} x ${1_000 / MS_BETWEEN_PACED} pieces/s`,
  ]
  return {
    name: "streams",
    title: "Streams: milliseconds to the first piece, and not a piece lost",
    table: {
      columns: [
        ...["subject", "load", "streams/s", "CPU us/stream", "streams/s of bare", "CPU of bare"],
        ...["first p50", "first p99", "added first p99"],
      ],
      rows: [
        ...[...atOnce.keys()].map((subject) => row(atOnce, subject, fast)),
        ...[...steady.keys()].map((subject) => row(steady, subject, slow)),
      ],
    },
    charts: [chart(atOnce, "cpuUs", `CPU microseconds a stream of ${PIECES} pieces (less is better)`)],
    data: { atOnce: raw(atOnce), steady: raw(steady) },
    warnings: [
      ...bottlenecks(atOnce, "streams", DIRECT),
      ...disturbances(atOnce, "streams"),
      ...disturbances(steady, "steady streams"),
    ],
    faults: [...faultsOf(atOnce, "streams"), ...faultsOf(steady, "steady streams")],
  }
}
