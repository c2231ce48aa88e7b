import { defineConfig } from "vite"

/** `npm run dev:ui` serves the page from its source and hands what it asks to a gateway at this address. */
const gateway = process.env.GATEWAY_URL ?? "http://127.0.0.1:8000"

export default defineConfig({
  root: import.meta.dirname,
  base: "/ui/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    // The policy of the page has no place for data in URLs but images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(
      ["/admin", "/analytics", "/infer", "/v1", "/readyz", "/ui/session"].map((path) => [path, gateway]),
    ),
  },
})
