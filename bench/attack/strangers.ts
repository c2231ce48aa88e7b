/**
 * Ten keys a second that nobody issued, each well-formed and so worth a look-up and a bcrypt, while owners use their new
 * keys for the first time and an operator creates more.
 */
import { openLoop } from "../load.ts"
import { chat, post } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs, insertKeys, unknownKey } from "./keys.ts"

const STRANGERS_PER_SECOND = 10
const OWNERS_PER_SECOND = 3
const CREATED_PER_SECOND = 1
const BODY_BYTES = 1_000

export const strangers = (): Attack => ({
  run: async ({ gateway, databaseUrl, seconds, note }) => {
    const { port, cli } = gateway()
    const token = cli("admin", "token").token
    const owners = [...(await insertKeys(databaseUrl, Math.ceil(OWNERS_PER_SECOND * seconds), 600))]
    const asked = (key: string) => chat(chatAs(key), BODY_BYTES)
    const create = post(
      { path: "/admin/keys", headers: { authorization: `Bearer ${token}` } },
      { name: "attack" },
      { markers: 0, stream: false },
    )
    const [unknown, first, created] = await Promise.all([
      openLoop(port, asked(unknownKey()), STRANGERS_PER_SECOND, seconds, { next: () => asked(unknownKey()) }),
      openLoop(port, asked(""), OWNERS_PER_SECOND, seconds, { next: () => asked(owners.pop() ?? "") }),
      openLoop(port, create, CREATED_PER_SECOND, seconds),
    ])
    const refused = first.failures
    const notCreated = created.failures
    note(
      `new owners: ${JSON.stringify(deedsOf(first).statuses)}, keys created: ${JSON.stringify(deedsOf(created).statuses)}`,
    )
    return {
      ...deedsOf(unknown),
      faults: [
        ...(refused === 0 ? [] : [`${refused} of ${first.requests} new owners were refused`]),
        ...(notCreated === 0 ? [] : [`${notCreated} of ${created.requests} keys were not created`]),
      ],
    }
  },
})
