/** As much as 64 connections get through, in a closed loop, with bodies of 1 KB both ways. */
import { closedLoop } from "../load.ts"
import { interleaved } from "../measure.ts"
import {
  against,
  answersCell,
  bottlenecks,
  cell,
  chart,
  disturbances,
  divide,
  faultsOf,
  ratioCells,
  raw,
  type Section,
} from "../report.ts"
import { chat, infer, messages } from "../requests.ts"
import { shown } from "../statistics.ts"
import { DIRECT, FULL, type Subject } from "../subject.ts"
import type { Run } from "./run.ts"

const CONNECTIONS = 64
const BODY_BYTES = 1_024
const INFER = "full, /infer"
const MESSAGES = "full, /v1/messages"
const BUDGETED = "full, a budget"
const LIMITED = "full, limits and budgets"

export const throughput = async ({ world, rounds, seconds, say }: Run): Promise<Section> => {
  const subjects = world.subjects.flatMap(
    (subject): ReadonlyArray<Subject> =>
      subject.name === FULL
        ? [
            subject,
            {
              ...subject,
              name: BUDGETED,
              title: "the same in a team, with tags, every limit and a budget",
              address: { ...subject.address, headers: { "x-api-key": world.budgetedKey } },
            },
            {
              ...subject,
              name: LIMITED,
              title: "the same with every limit of the team's too, and three budgets",
              address: { ...subject.address, headers: { "x-api-key": world.limitedKey } },
            },
            { ...subject, name: INFER, title: "this gateway, `POST /infer`" },
            { ...subject, name: MESSAGES, title: "this gateway, Messages of Claude's" },
          ]
        : [subject],
  )
  const request = ({ address, name }: Subject) =>
    name === INFER
      ? infer(address.headers, BODY_BYTES)
      : name === MESSAGES
        ? messages(address.headers, BODY_BYTES)
        : chat(address, BODY_BYTES)
  const measured = await interleaved(world, subjects, { rounds, say, what: "throughput" }, (subject) =>
    closedLoop(subject.port, request(subject), CONNECTIONS, seconds),
  )
  return {
    name: "throughput",
    title: `Throughput: closed loop of ${CONNECTIONS} connections, bodies of 1 KB`,
    table: {
      columns: [
        "subject",
        ...["req/s", "CPU us/req", "req/s of bare", "CPU of bare", "req/s of chat", "PostgreSQL us"],
        ...["peak MiB", "answers"],
      ],
      rows: subjects.map((subject) => [
        subject.title,
        cell(measured, subject, "perSecond"),
        cell(measured, subject, "cpuUs", 1),
        ...(subject.name === DIRECT ? ["", ""] : ratioCells(measured, subject)),
        subject.hasLedger ? shown(against(measured, subject, FULL, "perSecond", divide), 2) : "",
        subject.hasLedger ? cell(measured, subject, "postgresUs", 1) : "",
        String(Math.round(measured.get(subject)?.at(-1)?.peakMiB ?? 0)),
        answersCell(measured, subject),
      ]),
    },
    charts: [
      chart(measured, "perSecond", "Requests a second, one core, bodies of 1 KB (more is better)"),
      chart(measured, "cpuUs", "CPU microseconds a request (less is better)"),
    ],
    data: raw(measured),
    warnings: [...bottlenecks(measured, "throughput", DIRECT), ...disturbances(measured, "throughput")],
    faults: faultsOf(measured, "throughput"),
  }
}
