import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type AnswerHolder, AnswerPot } from "../../src/limits/AnswerPot.ts"

/** An answer that a provider sends in pieces of one byte as long as it is read. */
class Answer implements AnswerHolder {
  readonly keyId: string
  readonly size: number
  hasAsked = false
  answerBytes = 0
  bytesInTurn = 0
  /** Bytes that were read, which it keeps when it has left. */
  read = 0
  isPaused = false
  readonly #resume = () => {
    this.isPaused = false
  }

  constructor(keyId: string, size: number) {
    this.keyId = keyId
    this.size = size
  }

  get isWhole(): boolean {
    return this.read === this.size
  }

  /** Another attempt's answer. */
  again(): void {
    this.read = 0
  }

  giveUp(pot: AnswerPot): void {
    this.isPaused = true
    pot.readEnds(this, this.#resume)
  }

  /** Reads a byte, if there is one to be read now. */
  step(pot: AnswerPot): boolean {
    if (this.isPaused || this.isWhole) return false
    this.read += 1
    this.isPaused = !pot.goesOn(this, 1, this.#resume)
    if (this.isWhole) pot.readEnds(this, this.#resume)
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

/** Reads what can be read, and returns what is whole then. */
const wholeOf = (pot: AnswerPot, answers: ReadonlyArray<Answer>): ReadonlyArray<Answer> => {
  readAll(pot, answers)
  return answers.filter(({ isWhole }) => isWhole)
}

describe("answers that are held as a whole", () => {
  it("are read as far as there is room", () => {
    const pot = potOf(0.75)
    const answers = Array.from({ length: 20 }, () => new Answer("a", 30))
    readAll(pot, answers)
    assert.strictEqual(answers.filter(({ isWhole }) => isWhole).length, 1)
    // Each has brought one more than there was room for.
    assert.isAtMost(pot.taken, 75 + 20)
  })

  it("become whole one after the other, as many as half of the room holds, and others when their clients have them", () => {
    const pot = potOf(0.75)
    pot.resize(1_000, 0.75)
    const answers = Array.from({ length: 100 }, () => new Answer("a", 30))
    readAll(pot, answers)
    const whole = () => answers.filter(({ answerBytes, isWhole }) => isWhole && answerBytes > 0)
    const first = whole()
    assert.isAtLeast(first.length, 375 / 30)
    for (const answer of first) pot.leave(answer)
    readAll(pot, answers)
    assert.isAtLeast(whole().length, 375 / 30)
  })

  it("go on without room where no other one of their key is whole, and so all become whole", () => {
    const pot = potOf(0.75)
    let answers = Array.from({ length: 5 }, () => new Answer("a", 200))
    while (answers.length > 0) {
      const whole = wholeOf(pot, answers)
      assert.strictEqual(whole.length, 1)
      for (const answer of whole) pot.leave(answer)
      answers = answers.filter((answer) => !whole.includes(answer))
    }
    assert.strictEqual(pot.taken, 0)
  })

  it("are in nobody's way when they are given up, while they are read and while they wait", () => {
    const pot = potOf(0.75)
    const answers = Array.from({ length: 6 }, () => new Answer("a", 200))
    const [whole] = wholeOf(pot, answers)
    const others = answers.filter((answer) => answer !== whole)
    const [reading, waiting] = [...others.filter(({ bytesInTurn }) => bytesInTurn > 0), ...others]
    for (const answer of [whole, reading, waiting]) {
      assert.isDefined(answer)
      answer.giveUp(pot)
      pot.leave(answer)
    }
    const rest = others.filter((answer) => answer !== reading && answer !== waiting)
    assert.strictEqual(wholeOf(pot, rest).length, 1)
  })

  it("are read anew for the request itself, whose own bytes are in nobody's way", () => {
    const pot = potOf(0.75)
    const answers = [new Answer("a", 200), new Answer("a", 200)]
    const [held] = wholeOf(pot, answers)
    assert.isDefined(held)
    const other = answers.find((answer) => answer !== held)
    // Its request makes another attempt, whose turn is after the other one's, which cannot go on without room.
    held.again()
    assert.isEmpty(wholeOf(pot, answers))
    other?.giveUp(pot)
    assert.deepStrictEqual(wholeOf(pot, answers), [held])
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
    const answers = [new Answer("a", 100), new Answer("a", 100)]
    readAll(pot, answers)
    const paused = answers.find(({ isPaused }) => isPaused)
    assert.isDefined(paused)
    pot.leave(paused)
    assert.isFalse(paused.isPaused)
  })
})
