/** Makes a function that has `action` run in the next turn of the event loop, once however often it is called until then. */
export const onceATurn = (action: () => void): (() => void) => {
  let isComing = false
  const run = (): void => {
    isComing = false
    action()
  }
  return () => {
    if (isComing) return
    isComing = true
    setImmediate(run)
  }
}
