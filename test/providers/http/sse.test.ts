import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type SseEvent, SseParser } from "../../../src/providers/http/sse.ts"

const MAX = 1_000_000

const parse = (slices: ReadonlyArray<Buffer>, maxEventBytes = MAX) => {
  const parser = new SseParser(maxEventBytes)
  const pushed = slices.map((slice) => parser.push(slice))
  return {
    events: pushed.flatMap(({ events }) => events),
    tooLarge: pushed.some(({ tooLarge }) => tooLarge),
    rest: parser.rest(),
  }
}

const eventsOf = (text: string) => parse([Buffer.from(text)]).events
const dataOf = (text: string) => eventsOf(text).map(({ data }) => data)

/** In slices of these sizes, again and again. */
const sliced = (bytes: Buffer, sizes: ReadonlyArray<number>): Array<Buffer> => {
  const slices: Array<Buffer> = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    slices.push(bytes.subarray(at, at + size))
    at += size
  }
  return slices
}

const plain = (events: ReadonlyArray<SseEvent>) =>
  events.map(({ bytes, type, data }) => ({ bytes: bytes.toString("latin1"), type, data }))

describe("an event", () => {
  it("is its data lines joined, its type, and its bytes with the blank line", () => {
    const first = "event: odd\ndata: a\ndata: b\n\n"
    const second = 'data: {"c":1}\n\n'
    assert.deepStrictEqual(plain(eventsOf(first + second)), [
      { bytes: first, type: "odd", data: "a\nb" },
      { bytes: second, type: "message", data: '{"c":1}' },
    ])
  })

  it("may end its lines in LF, CRLF or CR", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      assert.deepStrictEqual(
        dataOf(`data: a${end}data: b${end}${end}data: c${end}${end}data: d${end}${end}: x`),
        ["a\nb", "c", "d"],
      )
    }
  })

  it("loses one space after the colon, and only one", () => {
    assert.deepStrictEqual(dataOf("data:x\n\ndata: x\n\ndata:  x\n\ndata:\tx\n\n"), ["x", "x", " x", "\tx"])
  })

  it("may have fields without a colon, unknown ones, id and retry", () => {
    assert.deepStrictEqual(dataOf("id: 1\nretry: 5\nunknown: z\nwhatever\ndata\ndata: x\n\n"), ["\nx"])
  })

  it("has the last type that it names", () => {
    assert.deepStrictEqual(
      eventsOf("event: a\nevent: b\ndata: x\n\nevent:\ndata: y\n\n").map(({ type }) => type),
      ["b", "message"],
    )
  })

  it("is nothing without data: comments, ids and blank lines alone", () => {
    assert.deepStrictEqual(dataOf(": keep-alive\n\n\n\n\r\n\r\nid: 3\n\nevent: ping\n\ndata: x\n\n"), ["x"])
  })

  it("is JSON outside of any field, as an error, and nothing else that stands with it", () => {
    const error = '{\n  "error": {\n    "code": 503\n  }\n}'
    for (const before of ["", ": comment\n", "id: 3\nretry: 5\n", "event: odd\n", "data: x\n"]) {
      const text = `${before}${error}\n\n`
      assert.deepStrictEqual(plain(eventsOf(text)), [{ bytes: text, type: "error", data: error }])
    }
    assert.deepStrictEqual(dataOf("data: x\r\n\r\n[{\r\n}]\r\n\r\n"), ["x", "[{\n}]"])
    assert.deepStrictEqual(dataOf("oops\n\nodd: {}\n\n: {}\n\nid: [1]\n\n"), [])
  })

  it("may have empty data", () => {
    assert.deepStrictEqual(dataOf("data:\n\ndata\n\n"), ["", ""])
  })

  it("keeps the comments within it in its bytes", () => {
    const text = ": why\ndata: x\n: not\n\n"
    assert.deepStrictEqual(plain(eventsOf(text)), [{ bytes: text, type: "message", data: "x" }])
  })

  it("is not begun by the stream's byte order mark, which its bytes do not hold either", () => {
    assert.deepStrictEqual(plain(eventsOf("\uFEFFdata: x\n\n")), [
      { bytes: "data: x\n\n", type: "message", data: "x" },
    ])
    assert.deepStrictEqual(dataOf("data: x\n\n\uFEFFdata: y\n\n"), ["x"])
  })

  it("shares memory with the chunk it came in", () => {
    const chunk = Buffer.from("data: a\n\ndata: b\n\n")
    for (const { bytes } of new SseParser(MAX).push(chunk).events) {
      assert.strictEqual(bytes.buffer, chunk.buffer)
    }
  })

  it("is handed out as soon as its blank line is there, also when its CR and LF come apart", () => {
    const parser = new SseParser(MAX)
    const data = (text: string) => parser.push(Buffer.from(text)).events.map((event) => event.data)
    assert.deepStrictEqual(data("data: a\n\nda"), ["a"])
    assert.deepStrictEqual(data("ta: b\r\n\r"), [])
    assert.deepStrictEqual(data("\n"), ["b"])
    assert.deepStrictEqual(data("data: c\r\r"), [])
    assert.deepStrictEqual(data("data: d\r"), ["c"])
    assert.deepStrictEqual(data("\n\n"), ["d"])
  })
})

describe("what is left", () => {
  it("is everything after the last complete event", () => {
    assert.strictEqual(parse([Buffer.from("data: a\n\ndata: b\n")]).rest, "data: b\n")
    assert.strictEqual(parse([Buffer.from('data: a\n\n{"err'), Buffer.from('or":1}')]).rest, '{"error":1}')
    assert.strictEqual(parse([Buffer.from("data: a\n\n")]).rest, "")
  })

  it("is what an error says, without what stands before it", () => {
    assert.strictEqual(parse([Buffer.from('data: a\n\ndata: b\n{"error":1}')]).rest, '{"error":1}')
    assert.strictEqual(parse([Buffer.from('event: error\ndata: {"error":1}')]).rest, '{"error":1}')
  })
})

describe("slicing", () => {
  const lineEnd = fc.constantFrom("\n", "\r\n", "\r")
  const text = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 12 }),
    fc.constantFrom('{"a":"ä😀"}', "\u2028", ": x", "data: x", "[DONE]", " ", ""),
  )
  const line = fc.oneof(
    fc.tuple(fc.constantFrom("data: ", "data:", "event: ", "event:", ": ", ":", "id: ", "odd: "), text),
    fc.tuple(fc.constantFrom("data", "event", "odd"), fc.constant("")),
  )
  const lineText = line.map(([field, value]) => field + value.replace(/[\r\n]/g, ""))
  // One kind of line end for the whole stream: a CR line before an LF line would be one CRLF.
  const stream = fc
    .tuple(fc.array(fc.array(lineText, { minLength: 1, maxLength: 5 }), { maxLength: 8 }), lineEnd)
    .map(([blocks, end]) =>
      blocks.map((lines) => ({
        text: lines.map((each) => each + end).join("") + end,
        hasData: lines.some((each) => /^data(:|$)/.test(each)),
      })),
    )
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 })

  it("changes nothing: the same events, the same bytes, the same rest", () => {
    fc.assert(
      fc.property(stream, text, sizes, (blocks, tail, cuts) => {
        // A CR at the very end cannot be told from half a CRLF, so something always follows.
        const bytes = Buffer.from(
          `${blocks.map((each) => each.text).join("")}:${tail.replace(/[\r\n]/g, "")}`,
        )
        const whole = parse([bytes])
        const cut = parse(sliced(bytes, cuts))
        assert.deepStrictEqual(plain(cut.events), plain(whole.events))
        assert.strictEqual(cut.rest, whole.rest)
      }),
      { numRuns: 500 },
    )
  })

  it("loses no byte: events and what is left, joined, are the input without blocks that hold no data", () => {
    fc.assert(
      fc.property(stream, sizes, (blocks, cuts) => {
        const input = Buffer.from(`${blocks.map((each) => each.text).join("")}:end`)
        const { events, rest } = parse(sliced(input, cuts))
        const expected = blocks.filter(({ hasData }) => hasData).map((each) => each.text)
        assert.deepStrictEqual(
          events.map(({ bytes }) => bytes.toString()),
          expected,
        )
        assert.strictEqual(rest, ":end")
      }),
      { numRuns: 500 },
    )
  })

  it("at every byte leaves characters whole", () => {
    const bytes = Buffer.from('data: {"text":"aä€😀"}\r\n\r\ndata: [DONE]\r\n\r\n')
    for (let at = 0; at <= bytes.length; at++) {
      const { events } = parse([bytes.subarray(0, at), bytes.subarray(at)])
      assert.deepStrictEqual(
        events.map(({ data }) => data),
        ['{"text":"aä€😀"}', "[DONE]"],
      )
    }
  })

  it("never throws, whatever bytes come", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), sizes, (bytes, cuts) => {
        parse(sliced(Buffer.from(bytes), cuts))
      }),
    )
  })
})

describe("a long line", () => {
  it("of a megabyte in small pieces is one event, byte for byte", () => {
    const bytes = Buffer.from(`data: ${"ä".repeat(500_000)}\n\n`)
    const { events } = parse(sliced(bytes, [16_384]), 2 * MAX)
    assert.strictEqual(events.length, 1)
    assert.isTrue(events[0]?.bytes.equals(bytes))
    assert.strictEqual(events[0]?.data.length, 500_000)
  })

  it("costs its length: each byte is searched once for either line end and copied a few times at most", () => {
    const size = 1 << 20
    let searched = 0
    let copied = 0
    class Counting extends Buffer {}
    const pieces = sliced(Buffer.from(`data: ${"x".repeat(size)}\n\n`), [1024]).map((piece) => {
      const counting = Object.setPrototypeOf(Buffer.from(piece), Counting.prototype) as Buffer
      counting.indexOf = (value: unknown, from?: unknown) => {
        searched += piece.length - Number(from ?? 0)
        return Buffer.prototype.indexOf.call(counting, value as number, from as number)
      }
      return counting
    })
    const copy = Buffer.prototype.copy
    Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer["copy"]>) {
      const bytes = copy.apply(this, args)
      copied += bytes
      return bytes
    }
    try {
      assert.strictEqual(parse(pieces, 2 * size).events.length, 1)
    } finally {
      Buffer.prototype.copy = copy
    }
    assert.isAtMost(searched, 2.1 * size)
    assert.isAtMost(copied, 4 * size)
  })
})

describe("an event above the bound", () => {
  const small = "data: a\n\n"

  it("is told, after the events before it", () => {
    const { events, tooLarge } = parse([Buffer.from(`${small}data: ${"x".repeat(100)}\n\n`)], 50)
    assert.deepStrictEqual([events.length, tooLarge], [1, true])
  })

  it("is told before it is complete", () => {
    const parser = new SseParser(50)
    for (let i = 0; i < 50; i++) assert.isFalse(parser.push(Buffer.from("x")).tooLarge)
    assert.isTrue(parser.push(Buffer.from("x")).tooLarge)
  })

  it("is told when its end comes with the piece that is too much", () => {
    assert.isTrue(parse([Buffer.from(`data: ${"x".repeat(40)}`), Buffer.from("xxxxxxxx\n\n")], 50).tooLarge)
  })

  it("is told of lines that say nothing, which would take a hundred times their bytes", () => {
    const lines = (count: number) => [Buffer.from(`${"data:\n".repeat(count)}\n`)]
    const most = parse(lines(19_999), 1_000_000)
    assert.deepStrictEqual(
      [most.events.length, most.events[0]?.data.length, most.tooLarge],
      [1, 19_998, false],
    )
    const more = parse(lines(20_000), 1_000_000)
    assert.deepStrictEqual([more.events.length, more.tooLarge], [0, true])
  })

  it("of exactly the bound is fine, and so is any number of events", () => {
    const bytes = Buffer.from(small.repeat(1000))
    const { events, tooLarge } = parse(sliced(bytes, [7]), small.length)
    assert.deepStrictEqual([events.length, tooLarge], [1000, false])
  })
})

it("what is left has its lines ended by LF, however they came", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const { rest } = parse([Buffer.from(["event: a", "data: b"].join(end))])
    assert.strictEqual(rest, "event: a\ndata: b")
  }
})
