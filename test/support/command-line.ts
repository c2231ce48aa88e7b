import { type ParseArgsConfig, parseArgs } from "node:util"

/** Reads the command line of a tool. `--help` prints `help` and ends with 0, wrong usage names what is wrong and ends with 2. */
export const readCommandLine = <const Options extends NonNullable<ParseArgsConfig["options"]>>(
  help: string,
  options: Options & { readonly help: { readonly type: "boolean" } },
) => {
  const usage = (message: string): never => {
    process.stderr.write(`${message}\n\n${help}`)
    process.exit(2)
  }

  const read = () => {
    try {
      return parseArgs({ options }).values
    } catch (error) {
      return usage(error instanceof Error ? error.message : String(error))
    }
  }

  const whole = (name: string, text: string): number =>
    /^\d{1,9}$/.test(text) ? Number(text) : usage(`--${name} is a whole number.`)

  const values = read()
  if ("help" in values && values.help === true) {
    process.stdout.write(help)
    process.exit(0)
  }
  return { options: values, usage, whole }
}
