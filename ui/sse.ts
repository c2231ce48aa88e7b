/** Yields the data of each server-sent event of an answer. */
export async function* eventsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const events = (rest + value).split("\n\n")
    rest = events.pop() ?? ""
    for (const event of events) if (event.startsWith("data: ")) yield event.slice("data: ".length)
  }
}
