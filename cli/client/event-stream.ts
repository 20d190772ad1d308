/** Server-sent events out of a response's body (HTML standard, 9.2.6). */

export interface Sent {
  id: string
  data: string
}

/** Ends with the stream; comments, which only keep it alive, are passed over. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncIterable<Sent> {
  const decoder = new TextDecoder()
  let rest = ''
  let id = ''
  let data: string[] = []
  // One stream, one reader: `for await` over a web stream is cancelled when the loop is left.
  for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split(/\r\n|\n|\r/)
    rest = lines.pop()!
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { id, data: data.join('\n') }
        data = []
        continue
      }
      const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
      if (field === 'data') data.push(value ?? '')
      else if (field === 'id') id = value ?? ''
    }
  }
}
