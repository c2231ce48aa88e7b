import dns from "node:dns"
import { readFileSync } from "node:fs"

/**
 * Loaded into a process under test (`--import`): names under `.test` resolve as the JSON file of FAKE_DNS_FILE says at
 * that moment. A name that is not in there does not exist; one with an empty address is never answered.
 */
const resolve = dns.lookup

const lookup = (
  name: string,
  options: { all?: boolean },
  callback: (error: Error | null, address?: unknown, family?: number) => void,
): void => {
  const names = JSON.parse(readFileSync(process.env.FAKE_DNS_FILE ?? "", "utf8")) as Record<string, string>
  const address = names[name]
  if (address === "") return
  if (address === undefined) {
    callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND" }))
    return
  }
  if (options.all === true) callback(null, [{ address, family: 4 }])
  else callback(null, address, 4)
}

Object.assign(dns, {
  lookup: (name: string, ...rest: ReadonlyArray<unknown>) =>
    Reflect.apply(name.endsWith(".test") ? lookup : resolve, dns, [name, ...rest]),
})
