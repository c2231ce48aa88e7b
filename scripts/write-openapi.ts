/** Writes docs/openapi.json, the document that a gateway serves at /openapi.json. */
import { writeFileSync } from "node:fs"
import { openApiDocument } from "../src/http/openapi.ts"

writeFileSync("docs/openapi.json", `${JSON.stringify(openApiDocument(), null, 2)}\n`)
