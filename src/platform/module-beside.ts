import { extname } from "node:path"

/** Returns where the module `name` is, beside the one at `url`: TypeScript in a checkout, JavaScript in the package. */
export const moduleBeside = (url: string, name: string): URL => new URL(`./${name}${extname(url)}`, url)
