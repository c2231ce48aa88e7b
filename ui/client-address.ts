/** Where applications reach the gateway, and what may stand in a set-up that is copied into a shell or a file. */
import { computed, signal } from "@preact/signals"
import { session } from "./session.ts"

/** This page's, unless its port is one that applications do not use. A host's name may have what a shell runs. */
export const likelyAddress = computed(() =>
  session.value?.serves_clients === false || !isAddress(location.origin)
    ? "https://your-gateway.example"
    : location.origin,
)

/** Empty: the likely one. */
export const typedAddress = signal("")

/** Without a slash at its end. */
export const clientAddress = computed(() =>
  (isAddress(typedAddress.value) ? typedAddress.value : likelyAddress.value).replace(/\/$/, ""),
)

/** Nothing that a shell, YAML or a string of a program would take for more than text. */
const ADDRESS = /^https?:\/\/[\w.:[\]-]+(?:\/[\w.~-]+)*\/?$/
const MODEL = /^\w[\w./:@+~-]*$/
const KEY = /^gwk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/

export const isAddress = (text: string): boolean => ADDRESS.test(text)
export const isModelName = (text: string): boolean => MODEL.test(text)
export const isKey = (text: string): boolean => KEY.test(text)
