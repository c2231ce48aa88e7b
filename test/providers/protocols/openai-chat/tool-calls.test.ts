import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { ToolCalls, withCallIds } from "../../../../src/providers/protocols/openai-chat/tool-calls.ts"

const chunk = (...tool_calls: ReadonlyArray<object>) => ({
  id: "chatcmpl-abc",
  choices: [{ index: 0, delta: { tool_calls } }],
})

interface Piece {
  readonly index: number
  readonly id?: string
  readonly function?: { readonly name?: string; readonly arguments?: string }
}

/** The calls that a client puts together by their numbers. */
const joined = (chunks: ReadonlyArray<ReturnType<typeof chunk>>) => {
  const calls = new ToolCalls()
  const whole: Array<{ id?: string; name: string; args: string }> = []
  for (const json of chunks) {
    const [choice] = (calls.mend(json, json.choices) ?? json).choices as ReturnType<typeof chunk>["choices"]
    for (const piece of choice?.delta.tool_calls ?? []) {
      const { index, id, function: called } = piece as Piece
      assert.isTrue(Number.isInteger(index))
      const call = whole[index] ?? { name: "", args: "" }
      whole[index] = call
      if (id) call.id ??= id
      call.name += called?.name ?? ""
      call.args += called?.arguments ?? ""
    }
  }
  return whole
}

const first = (id: unknown, name: string, args = "") => ({
  id,
  type: "function",
  function: { name, arguments: args },
})
const rest = (args: string) => ({ function: { arguments: args } })

describe("streamed calls", () => {
  it("stay as they are when they have numbers and ids", () => {
    const calls = new ToolCalls()
    for (const json of [
      chunk({ index: 0, ...first("a", "f") }),
      chunk({ index: 0, ...rest("{}") }),
      chunk({ index: 1, ...first("b", "g") }, { index: 1, ...rest("{}") }),
      chunk({ index: 0, id: null, function: { name: null, arguments: "" } }),
    ]) {
      assert.isUndefined(calls.mend(json, json.choices))
    }
  })

  const two = [
    { id: "a", name: "f", args: "{1}" },
    { id: "b", name: "g", args: "{2}" },
  ]

  it.each<[name: string, chunks: ReadonlyArray<ReturnType<typeof chunk>>]>([
    ["without numbers", [chunk(first("a", "f", "{1}")), chunk(first("b", "g", "{2}"))]],
    ["without numbers, in one event", [chunk(first("a", "f", "{1}"), first("b", "g", "{2}"))]],
    [
      "without numbers, in pieces",
      [chunk(first("a", "f")), chunk(rest("{1}")), chunk(first("b", "g")), chunk(rest("{2}"))],
    ],
    [
      "that are all number 0",
      [chunk({ index: 0, ...first("a", "f", "{1}") }), chunk({ index: 0, ...first("b", "g", "{2}") })],
    ],
    [
      "that are all number 0, in pieces",
      [
        chunk({ index: 0, ...first("a", "f") }),
        chunk({ index: 0, ...rest("{1}") }),
        chunk({ index: 0, ...first("b", "g") }),
        chunk({ index: 0, ...rest("{2}") }),
      ],
    ],
    [
      "whose pieces repeat the id",
      [chunk(first("a", "f")), chunk({ id: "a", ...rest("{1}") }), chunk(first("b", "g", "{2}"))],
    ],
  ])("%s are told apart", (_name, chunks) => {
    assert.deepStrictEqual(joined(chunks), two)
  })

  it("get ids where they have none, each its own", () => {
    for (const none of [undefined, null, ""]) {
      const calls = joined([
        chunk({ index: 0, ...first(none, "f") }, { index: 1, ...first(none, "g") }),
        chunk({ index: 1, ...rest("{2}") }, { index: 0, ...rest("{1}") }),
      ])
      assert.deepStrictEqual(
        calls.map(({ id }) => id),
        ["call_chatcmplabc_0_0", "call_chatcmplabc_0_1"],
      )
      assert.deepStrictEqual(
        calls.map(({ args }) => args),
        ["{1}", "{2}"],
      )
    }
  })

  it("are those that were cut, wherever they are cut and whatever is left out", () => {
    const texts = fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 4 })
    fc.assert(
      fc.property(
        fc.array(texts, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        (calls, numbered, named) => {
          const chunks = calls.flatMap((pieces, nth) => [
            chunk({ ...(numbered && { index: nth }), ...first(named ? `id${nth}` : undefined, `f${nth}`) }),
            ...pieces.map((piece) => chunk({ ...(numbered && { index: nth }), ...rest(piece) })),
          ])
          const whole = joined(chunks)
          assert.deepStrictEqual(
            whole.map(({ name, args }) => [name, args]),
            calls.map((pieces, nth) => [`f${nth}`, pieces.join("")]),
          )
          assert.strictEqual(new Set(whole.map(({ id }) => id)).size, calls.length)
        },
      ),
    )
  })
})

describe("arguments that are an object", () => {
  it("become a text", () => {
    const object = { id: "a", type: "function", function: { name: "f", arguments: { a: 1 } } }
    assert.deepStrictEqual(joined([chunk({ index: 0, ...object })]), [
      { id: "a", name: "f", args: '{"a":1}' },
    ])
    const json = { choices: [{ message: { tool_calls: [object] } }] }
    const mended = withCallIds(json, json.choices) as typeof json
    assert.deepStrictEqual(mended.choices[0]?.message.tool_calls as unknown, [
      { id: "a", type: "function", function: { name: "f", arguments: '{"a":1}' } },
    ])
  })
})

describe("calls of a whole answer", () => {
  it("get ids where they have none", () => {
    const json = { id: "x", choices: [{ message: { tool_calls: [first("a", "f"), first(null, "g")] } }] }
    const mended = withCallIds(json, json.choices) as typeof json
    assert.deepStrictEqual(
      mended.choices[0]?.message.tool_calls.map(({ id }) => id),
      ["a", "call_x_0_1"],
    )
    assert.isUndefined(withCallIds(mended, mended.choices))
    assert.isUndefined(withCallIds({ choices: [{}] }, [{}]))
  })
})
