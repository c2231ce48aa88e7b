// Loaded before the source (`node --import`): keeps what Node makes of it, types stripped and code compiled, for the
// next start, which then takes half of the time and 20 MiB less. Node writes it at the end of the process.
import { enableCompileCache, getCompileCacheDir } from "node:module"
import { join } from "node:path"

enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/node-compile"))
process.env.NODE_COMPILE_CACHE ??= getCompileCacheDir()
