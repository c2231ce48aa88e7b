import { effect, signal } from "@preact/signals"

const themes = ["auto", "light", "dark"] as const
type Theme = (typeof themes)[number]

const STORED_AS = "llm-gateway-theme"

const stored = (): Theme => {
  const name = localStorage.getItem(STORED_AS)
  return themes.find((theme) => theme === name) ?? "auto"
}

/** `auto` is what the system says. */
export const theme = signal<Theme>(stored())

const system = matchMedia("(prefers-color-scheme: dark)")
const systemIsDark = signal(system.matches)
system.addEventListener("change", ({ matches }) => {
  systemIsDark.value = matches
})

/** For what is painted by a script, which no style reaches. */
export const isDark = (): boolean => (theme.value === "auto" ? systemIsDark.value : theme.value === "dark")

effect(() => {
  document.documentElement.dataset.theme = theme.value
  localStorage.setItem(STORED_AS, theme.value)
})

export const nextTheme = (): void => {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? "auto"
}
