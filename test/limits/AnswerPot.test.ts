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
    this.isPaused = false
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

const resumed = () => {
  const seen = {
    times: 0,
    resume: () => {
      seen.times += 1
    },
  }
  return seen
}

describe("answers that are held as a whole", () => {
  it("are read as far as there is room", () => {
    const pot = potOf(0.75)
    const answers = Array.from({ length: 20 }, () => new Answer("a", 30))
    readAll(pot, answers)
    assert.strictEqual(answers.filter(({ isWhole }) => isWhole).length, 1)
    // Each has brought one more than there was room for.
    assert.isAtMost(pot.taken, 75 + 30 + 20)
  })

  it("become whole a few at a time, about as many as half of the room holds, and others when their clients have them", () => {
    const pot = potOf(0.75)
    pot.resize(1_000, 0.75)
    const answers = Array.from({ length: 100 }, () => new Answer("a", 30))
    readAll(pot, answers)
    const whole = () => answers.filter(({ answerBytes, isWhole }) => isWhole && answerBytes > 0)
    const first = whole()
    assert.isAtLeast(first.length, 375 / 30 - 3)
    for (const answer of first) pot.leave(answer)
    readAll(pot, answers)
    assert.isAtLeast(whole().length, 375 / 30 - 3)
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
    // Its request makes another attempt, whose turn is after the other one's, which no longer waits for its client.
    held.again()
    assert.isDefined(other)
    assert.deepStrictEqual(wholeOf(pot, answers), [other])
    pot.leave(other)
    assert.deepStrictEqual(wholeOf(pot, [held]), [held])
    pot.leave(held)
    assert.strictEqual(pot.taken, 0)
  })

  it("of two attempts of one request have one turn, which is over when both are", () => {
    const pot = potOf(0.75)
    const [one, other] = [new Answer("a", 200), new Answer("a", 200)]
    const [first, second] = [resumed(), resumed()]
    // Its room is taken.
    pot.goesOn(other, 40, resumed().resume)
    assert.isTrue(pot.goesOn(one, 10, first.resume))
    assert.isTrue(pot.goesOn(one, 10, second.resume))
    pot.readEnds(one, first.resume)
    assert.isTrue(pot.goesOn(one, 10, second.resume))
    pot.readEnds(one, second.resume)
    assert.deepStrictEqual([one.answerBytes + one.bytesInTurn, first.times, second.times], [30, 0, 0])
  })

  it("may all be read on when what others had is gone, wherever it was", () => {
    const pot = potOf(0.75)
    const early = Array.from({ length: 37 }, () => new Answer("a", 1))
    readAll(pot, early)
    const late = Array.from({ length: 2 }, () => new Answer("a", 30))
    assert.strictEqual(wholeOf(pot, late).length, 1)
    for (const answer of early) pot.leave(answer)
    assert.strictEqual(wholeOf(pot, late).length, 2)
  })

  it("are read side by side again where there is room, however slow those in turn are", () => {
    const pot = potOf(0.75)
    const held = new Answer("a", 38)
    readAll(pot, [held])
    // Of whom nothing more comes.
    for (const slow of [new Answer("a", 30), new Answer("a", 30)]) slow.step(pot)
    const others = Array.from({ length: 5 }, () => new Answer("a", 6))
    assert.deepStrictEqual(wholeOf(pot, others), [])
    pot.leave(held)
    assert.deepStrictEqual(wholeOf(pot, others), others)
  })

  it("take no room from other keys that there is not, whatever they have of an attempt before", () => {
    const pot = potOf(0.75)
    const held = new Answer("a", 38)
    const retried = new Answer("a", 60)
    readAll(pot, [held])
    // It is read in turn and breaks off, and two slow ones are in turn.
    for (let i = 0; i < 48; i++) retried.step(pot)
    retried.giveUp(pot)
    for (const slow of [new Answer("a", 30), new Answer("a", 30)]) slow.step(pot)
    retried.again()
    retried.step(pot)
    pot.leave(held)
    const others = Array.from({ length: 5 }, () => new Answer("b", 2))
    for (const other of others) other.step(pot)
    assert.isFalse(others.some(({ isPaused }) => isPaused))
  })

  it("are asked for before they are there, and leave nothing when they are not", () => {
    const pot = potOf(0.75)
    const [asking, waiting] = [new Answer("a", 0), new Answer("a", 0)]
    const whole = new Answer("a", 200)
    readAll(pot, [whole])
    const [one, other] = [resumed(), resumed()]
    assert.isFalse(pot.goesOn(asking, 0, one.resume))
    assert.isFalse(pot.goesOn(waiting, 0, other.resume))
    pot.leave(asking)
    assert.deepStrictEqual([one.times, other.times], [1, 0])
    pot.leave(whole)
    assert.deepStrictEqual([one.times, other.times], [1, 1])
    pot.leave(waiting)
    assert.strictEqual(pot.taken, 0)
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
          let retries = 20
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
            // Or what is whole is worth nothing, and asked for anew.
            if (draw % 5 === 0 && retries > 0 && chosen?.isWhole === true) {
              retries -= 1
              chosen.again()
            } else if (chosen !== undefined) leave(chosen)
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
