/** A call of the playground as others would write it. The key is a variable of the environment: code is shared. */
import type { body } from "./playground.ts"

type Body = (typeof body)["value"]

export const languages = [
  ["curl", "curl"],
  ["python", "Python"],
  ["typescript", "TypeScript"],
] as const
export type Language = (typeof languages)[number][0]

export const callAsCode = (language: Language, address: string, body: Body): string =>
  write[language](address.replace(/\/$/, ""), body)

/** What is invisible or turns the text around it, in a form that shows. Both languages read JSON's strings. */
const literal = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )

/** A member of an object per line, behind so many spaces. */
const indented = (text: string, by: number): string => text.replaceAll("\n", `\n${" ".repeat(by)}`)

const write: Readonly<Record<Language, (address: string, body: Body) => string>> = {
  curl: (address, body) =>
    [
      `curl ${body.stream === true ? "-N " : ""}${address}/infer \\`,
      `  -H "X-API-Key: $LLM_GATEWAY_KEY" \\`,
      `  -H "Content-Type: application/json" \\`,
      `  -d '${literal(body, 2).replaceAll("'", "'\\''")}'`,
    ].join("\n"),

  python: (address, { stream, ...body }) =>
    [
      "import os",
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url=${literal(`${address}/v1`)}, api_key=os.environ["LLM_GATEWAY_KEY"])`,
      `${stream === true ? "chunks" : "answer"} = client.chat.completions.create(`,
      ...Object.entries(body).map(([name, value]) => `    ${name}=${indented(literal(value, 4), 4)},`),
      ...(stream === true
        ? [
            "    stream=True,",
            ")",
            "for chunk in chunks:",
            "    if chunk.choices:",
            '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
          ]
        : [")", "print(answer.choices[0].message.content)"]),
    ].join("\n"),

  typescript: (address, { stream, ...body }) =>
    [
      'import OpenAI from "openai"',
      "",
      `const client = new OpenAI({ baseURL: ${literal(`${address}/v1`)}, apiKey: process.env.LLM_GATEWAY_KEY })`,
      `const ${stream === true ? "chunks" : "answer"} = await client.chat.completions.create({`,
      ...Object.entries(body).map(([name, value]) => `  ${name}: ${indented(literal(value, 2), 2)},`),
      ...(stream === true
        ? [
            "  stream: true,",
            "})",
            'for await (const chunk of chunks) process.stdout.write(chunk.choices[0]?.delta.content ?? "")',
          ]
        : ["})", "console.log(answer.choices[0]?.message.content)"]),
    ].join("\n"),
}
