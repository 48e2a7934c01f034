import type { IncomingMessage } from 'node:http'

/** So many bytes may wait to be taken before the sender is held up. */
const highWater = 1024 * 1024

type Result = IteratorResult<Uint8Array>

/** The body of a response, chunk by chunk: as the stream's own iterator, which takes several turns of the event loop and a copy for each. */
export function chunksOf(stream: IncomingMessage): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => new Chunks(stream) }
}

class Chunks implements AsyncIterator<Uint8Array> {
  readonly #stream: IncomingMessage
  readonly #chunks: Uint8Array[] = []
  #bytes = 0
  #ended = false
  #error: Error | undefined
  #waiting: PromiseWithResolvers<Result> | undefined

  constructor(stream: IncomingMessage) {
    this.#stream = stream
    if (stream.destroyed) this.#end(stream.errored ?? cut())
    stream.on('data', (chunk: Buffer) => this.#push(chunk))
    stream.once('end', () => this.#end())
    stream.once('error', (error) => this.#end(error))
    stream.once('close', () => this.#end(cut()))
  }

  next(): Promise<Result> {
    const chunk = this.#chunks.shift()
    if (chunk) {
      this.#bytes -= chunk.length
      if (this.#bytes < highWater && this.#stream.isPaused()) this.#stream.resume()
      return Promise.resolve({ done: false, value: chunk })
    }
    const error = this.#error
    this.#error = undefined
    if (error) return Promise.reject(error)
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    this.#waiting = Promise.withResolvers()
    return this.#waiting.promise
  }

  return(): Promise<Result> {
    this.#end()
    this.#stream.destroy()
    return Promise.resolve({ done: true, value: undefined })
  }

  #push(chunk: Uint8Array): void {
    if (this.#ended) return
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting) waiting.resolve({ done: false, value: chunk })
    else {
      this.#chunks.push(chunk)
      this.#bytes += chunk.length
      if (this.#bytes >= highWater) this.#stream.pause()
    }
  }

  /** The first word holds: what comes after the end is no error any more. */
  #end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    const waiting = this.#waiting
    this.#waiting = undefined
    if (!waiting) this.#error = error
    else if (error) waiting.reject(error)
    else waiting.resolve({ done: true, value: undefined })
  }
}

function cut(): Error {
  return Object.assign(new Error('the connection was closed within a response'), { code: 'ECONNRESET' })
}
