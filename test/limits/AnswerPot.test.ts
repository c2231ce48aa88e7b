import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type AnswerHolder, AnswerPot } from "../../src/limits/AnswerPot.ts"

/** An answer that a provider sends in pieces of one byte as long as it is read. */
class Answer implements AnswerHolder {
  readonly keyId: string
  readonly size: number
  answerBytes = 0
  bytesBeyond = 0
  /** Bytes that were read, which it keeps when it has left. */
  read = 0
  isPaused = false

  constructor(keyId: string, size: number) {
    this.keyId = keyId
    this.size = size
  }

  get isWhole(): boolean {
    return this.read === this.size
  }

  /** Reads a byte, if there is one to be read now. */
  step(pot: AnswerPot): boolean {
    if (this.isPaused || this.isWhole) return false
    this.read += 1
    this.isPaused = !pot.goesOn(this, 1, () => {
      this.isPaused = false
    })
    return true
  }
}

const WHOLE = 100

const potOf = (keyShare: number): AnswerPot => {
  const pot = new AnswerPot()
  pot.resize(WHOLE, keyShare)
  return pot
}

/** Reads of all in turn until nothing can be read. */
const readAll = (pot: AnswerPot, answers: ReadonlyArray<Answer>): void => {
  while (answers.filter((answer) => answer.step(pot)).length > 0);
}

describe("answers that are held as a whole", () => {
  it("are read as far as there is room, and one of their key's beyond", () => {
    const pot = potOf(0.75)
    const answers = Array.from({ length: 20 }, () => new Answer("a", 30))
    readAll(pot, answers)
    assert.strictEqual(answers.filter(({ isWhole }) => isWhole).length, 1)
    // Each has brought one more than there was room for.
    assert.isAtMost(pot.taken, 75 + 30 + 20)
  })

  it("leave others their share, and one beyond", () => {
    const pot = potOf(0.75)
    readAll(
      pot,
      Array.from({ length: 20 }, () => new Answer("a", 30)),
    )
    const others = [new Answer("b", 1), new Answer("b", 1), new Answer("c", 60)]
    readAll(pot, others)
    assert.deepStrictEqual(
      others.map(({ isWhole }) => isWhole),
      [true, true, true],
    )
  })

  it("are read on at once where the pot becomes larger", () => {
    const pot = potOf(0.5)
    const answers = [new Answer("a", 60), new Answer("a", 60)]
    readAll(pot, answers)
    pot.resize(1_000, 0.5)
    readAll(pot, answers)
    assert.isTrue(answers.every(({ isWhole }) => isWhole))
  })

  it("all come to their end where clients read, whatever leaves when, and leave nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ key: fc.constantFrom("a", "b", "c"), size: fc.integer({ min: 1, max: 150 }) }), {
          minLength: 1,
          maxLength: 30,
        }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.infiniteStream(fc.nat()),
        (sizes, keyShare, drawn) => {
          const pot = potOf(keyShare)
          let answers = sizes.map(({ key, size }) => new Answer(key, size))
          const leave = (answer: Answer): void => {
            answers = answers.filter((other) => other !== answer)
            pot.leave(answer)
          }
          while (answers.length > 0) {
            readAll(pot, answers)
            // Someone's client goes, or takes an answer that is whole, of which there is always one.
            const whole = answers.filter(({ isWhole }) => isWhole)
            assert.isNotEmpty(whole)
            const draw = drawn.next().value ?? 0
            const from = draw % 4 === 0 ? answers : whole
            const chosen = from[draw % from.length]
            if (chosen !== undefined) leave(chosen)
          }
          assert.strictEqual(pot.taken, 0)
        },
      ),
    )
  })

  it("are read on uncounted where their request is over", () => {
    const pot = potOf(0.5)
    const [one, other] = [new Answer("a", 100), new Answer("a", 100)]
    readAll(pot, [one, other])
    assert.isTrue(other.isPaused)
    pot.leave(other)
    assert.isFalse(other.isPaused)
  })
})
