import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { TimeZoneName } from "../../src/domain/time-zone.ts"

const accepts = Schema.is(TimeZoneName)

describe("a time zone", () => {
  it.each(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])("is %s", (name) => {
    assert.isTrue(accepts(name))
  })

  it.each(["", "Berlin", "Europe/Berlim", "+02:00", "-05:00", "UTC+2", "Europe/Berlin\n", "local"])(
    "is not %j",
    (name) => {
      assert.isFalse(accepts(name))
    },
  )
})
