import fc from "fast-check"

/** JSON texts as hostile clients write them: white space anywhere, names with escapes, doubled or borrowed from JavaScript. */

const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)

const escaped = (text: string): string =>
  `"${[...text].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`

const number = fc.constantFrom("0", "-0", "1.0", "1e2", "0.10", "9007199254740993", "-12345678901234567890.5")

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }).map((each) => JSON.stringify(each)),
  fc.constantFrom(
    '""',
    '"\\\\"',
    '"\\""',
    '"}"',
    '"]"',
    '",\\"a\\":1"',
    '"\\ud800"',
    '"😀"',
    `"${"\\\\".repeat(40)}"`,
  ),
  // Escapes around the length up to which a string is looked at byte by byte.
  fc
    .tuple(fc.integer({ min: 55, max: 70 }), fc.array(fc.constantFrom('\\"', "\\\\", "x", "}", ':[\\"', ",")))
    .map(([before, pieces]) => `"${"x".repeat(before)}${pieces.join("")}"`),
)

/**
 * A name in an object. None holds a backslash: once V8 14.6 has read `{"a":1,"\\":1}`, it reads `{"a":1,"\n":1}` as the
 * same, for it compares a name that it expects with the text of the next one before the escapes in it are undone.
 */
const name = text.filter((each) => !(JSON.parse(each) as string).includes("\\"))

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    number,
    text,
    fc.constantFrom("true", "false", "null", "[]", "{}", "[ ]", "{ }"),
    fc
      .array(fc.tuple(space, tie("value"), space), { maxLength: 3 })
      .map((each) => `[${each.map((piece) => piece.join("")).join(",")}]`),
    fc
      .array(fc.tuple(space, name, space, space, tie("value"), space), { maxLength: 3 })
      .map((each) => `{${each.map(([a, key, b, c, of, d]) => `${a}${key}${b}:${c}${of}${d}`).join(",")}}`),
  ),
}))

/** One value, as text. */
export const jsonValueText: fc.Arbitrary<string> = value

/** An object with these members, some of them several times, between others, as text. */
export const jsonObjectText = (
  members: Readonly<Record<string, fc.Arbitrary<string>>>,
): fc.Arbitrary<string> => {
  const own = Object.entries(members).map(([name, of]) =>
    fc.tuple(
      fc.oneof(
        { weight: 20, arbitrary: fc.constant(JSON.stringify(name)) },
        { weight: 1, arbitrary: fc.constant(escaped(name)) },
      ),
      of,
    ),
  )
  const other = fc.tuple(
    fc.oneof(
      name,
      fc.constantFrom('"__proto__"', '"constructor"', '"toString"', '"Model"', '"modél"', '"model "', '""'),
    ),
    value,
  )
  return fc
    .tuple(
      space,
      fc.array(
        fc
          .tuple(space, fc.oneof(...own, other), space, space, space)
          .map(([a, [name, of], b, c, d]) => `${a}${name}${b}:${c}${of}${d}`),
        { maxLength: 7 },
      ),
      space,
      space,
    )
    .map(([a, each, b, c]) => `${a}{${each.length === 0 ? b : each.join(",")}}${c}`)
}
