/** Splits a stream of byte chunks into lines, safe for UTF-8 and CRLF cut anywhere. A last line without newline is yielded too. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLength = 16 * 1024 * 1024,
): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = pieces.pop() ?? ''
    for (const piece of pieces) yield piece.endsWith('\r') ? piece.slice(0, -1) : piece
    if (rest.length > maxLength) throw new Error(`line longer than ${maxLength} characters`)
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}
