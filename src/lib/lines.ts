/** Splits chunks of bytes into lines, safe for UTF-8 and CRLF cut anywhere. */
export class LineSplitter {
  readonly #decoder = new TextDecoder()
  readonly #maxLength: number
  #rest = ''

  /** Lines longer than `maxLength` characters are refused with an error. */
  constructor(maxLength = 16 * 1024 * 1024) {
    this.#maxLength = maxLength
  }

  /** The lines that are whole with this chunk. */
  push(chunk: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const [index, line] of lines.entries()) if (line.endsWith('\r')) lines[index] = line.slice(0, -1)
    if (this.#rest.length > this.#maxLength) throw new Error(`line longer than ${this.#maxLength} characters`)
    return lines
  }

  /** A last line without newline. */
  end(): string[] {
    const rest = this.#rest + this.#decoder.decode()
    this.#rest = ''
    return rest === '' ? [] : [rest]
  }
}

/** The lines of a stream of byte chunks; a last line without newline is yielded too. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxLength?: number): AsyncGenerator<string> {
  const splitter = new LineSplitter(maxLength)
  for await (const chunk of chunks) for (const line of splitter.push(chunk)) yield line
  for (const line of splitter.end()) yield line
}
