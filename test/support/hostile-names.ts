/** Names as nobody should choose them, which a page has to show as text. */
export const hostileNames = {
  script: `<script>globalThis.harmed = true</script><img src=x onerror="globalThis.harmed = true">`,
  turned: "\u202egnp.exe\u2066 abc",
  long: "x".repeat(10_000),
  escapes: "\u001b[31mred\u001b[0m\u0007",
} as const
