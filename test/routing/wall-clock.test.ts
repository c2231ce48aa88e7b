import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { isWithin, wallClock } from "../../src/routing/wall-clock.ts"

const at = (instant: string) => Date.parse(instant)
const shown = (zone: string, instant: string) => {
  const { day, minute } = wallClock(zone)(at(instant))
  return `${"Sun Mon Tue Wed Thu Fri Sat".split(" ")[day]} ${Math.floor(minute / 60)}:${String(minute % 60).padStart(2, "0")}`
}

describe("a wall clock", () => {
  it("shows the time of its place, across the changes of its offset", () => {
    const berlin = (instant: string) => shown("Europe/Berlin", instant)
    assert.strictEqual(berlin("2026-03-29T00:59:59Z"), "Sun 1:59")
    assert.strictEqual(berlin("2026-03-29T01:00:00Z"), "Sun 3:00")
    assert.strictEqual(berlin("2026-10-25T00:30:00Z"), "Sun 2:30")
    assert.strictEqual(berlin("2026-10-25T01:30:00Z"), "Sun 2:30")
    assert.strictEqual(berlin("2026-10-25T02:00:00Z"), "Sun 3:00")
    assert.strictEqual(shown("Asia/Kathmandu", "2026-11-29T18:15:00Z"), "Mon 0:00")
    assert.strictEqual(shown("America/New_York", "2026-11-01T05:59:00Z"), "Sun 1:59")
    assert.strictEqual(shown("America/New_York", "2026-11-01T06:00:00Z"), "Sun 1:00")
    assert.strictEqual(shown("UTC", "1969-12-31T23:59:59Z"), "Wed 23:59")
  })

  it("shows what Intl shows at any time, also when it is set back", () => {
    for (const zone of ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "UTC"]) {
      const clock = wallClock(zone)
      const format = new Intl.DateTimeFormat("en-US", {
        ...{ timeZone: zone, hourCycle: "h23", weekday: "short", hour: "2-digit", minute: "2-digit" },
      })
      fc.assert(
        fc.property(fc.integer({ min: at("2000-01-01"), max: at("2040-01-01") }), (nowMs) => {
          const { day, minute } = clock(nowMs)
          const [weekday, hours, minutes] = [
            "Sun Mon Tue Wed Thu Fri Sat".split(" ")[day],
            String(Math.floor(minute / 60)).padStart(2, "0"),
            String(minute % 60).padStart(2, "0"),
          ]
          assert.strictEqual(format.format(nowMs), `${weekday} ${hours}:${minutes}`)
        }),
      )
    }
  })
})

describe("hours of days", () => {
  const everyDay = new Set([0, 1, 2, 3, 4, 5, 6])

  it("begin with their first minute and end before their last", () => {
    const office = { from: 540, to: 1_020, days: everyDay }
    assert.deepStrictEqual(
      [539, 540, 1_019, 1_020].map((minute) => isWithin({ day: 1, minute }, office)),
      [false, true, true, false],
    )
  })

  it("go over midnight, where they belong to the day on which they began", () => {
    const fridayNight = { from: 1_320, to: 360, days: new Set([5]) }
    assert.isTrue(isWithin({ day: 5, minute: 1_320 }, fridayNight))
    assert.isTrue(isWithin({ day: 6, minute: 359 }, fridayNight))
    assert.isFalse(isWithin({ day: 6, minute: 360 }, fridayNight))
    assert.isFalse(isWithin({ day: 6, minute: 1_320 }, fridayNight))
    assert.isFalse(isWithin({ day: 5, minute: 0 }, fridayNight))
    const sundayNight = { from: 1_320, to: 360, days: new Set([6]) }
    assert.isTrue(isWithin({ day: 0, minute: 0 }, sundayNight))
  })

  it("and those that they leave out are every minute once", () => {
    const minute = fc.integer({ min: 0, max: 1_439 })
    fc.assert(
      fc.property(minute, minute, minute, fc.integer({ min: 0, max: 6 }), (from, to, now, day) => {
        fc.pre(from !== to)
        const [hours, others] = [
          { from, to, days: everyDay },
          { from: to, to: from, days: everyDay },
        ]
        assert.notStrictEqual(isWithin({ day, minute: now }, hours), isWithin({ day, minute: now }, others))
      }),
    )
  })
})
