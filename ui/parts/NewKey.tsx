import { useLocation } from "preact-iso"
import { chosenKey } from "../chosen-key.ts"
import { time } from "../format.ts"
import { issuedKey } from "../issued-key.ts"
import { Snippet } from "./Copy.tsx"
import { Dialog } from "./Dialog.tsx"
import { Text } from "./Text.tsx"

/** The one time that a key is shown. It stays until somebody says that the key is stored, or takes it along. */
export const NewKey = () => {
  const { route } = useLocation()
  if (issuedKey.value === undefined) return null
  const { key, name, previous_secret_until: until } = issuedKey.value
  const close = () => {
    issuedKey.value = undefined
  }
  const tryIt = () => {
    chosenKey.value = key
    close()
    route("/ui/playground")
  }
  return (
    <Dialog title="Store this key now" isKept onClose={close}>
      <p>
        It is the key of <Text value={name} />, and shown this once: the gateway keeps a hash of it, from
        which nobody gets it back.
        {until !== null && ` The secret before works until ${time(until)}.`}
      </p>
      <Snippet title="API key" text={key} />
      <div class="actions">
        <button type="button" class="quiet" onClick={tryIt}>
          Use in the playground
        </button>
        <button type="button" onClick={close}>
          I have stored it
        </button>
      </div>
    </Dialog>
  )
}
