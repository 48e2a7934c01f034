import type { IncomingMessage } from 'node:http'
import type { ApiResponse } from '../request.ts'

/** Bytes that wait for the client before no more are read. */
const high = 1024 * 1024

/** An answer as it comes in, no faster than the client takes it. */
export function streamed(incoming: IncomingMessage): ApiResponse['body'] {
  return (sink) => {
    sink.onDrain?.(() => incoming.resume())
    incoming.on('data', (chunk: Buffer) => {
      sink.write(chunk)
      if (sink.buffered >= high && sink.onDrain) incoming.pause()
    })
    incoming.on('end', () => sink.end())
    incoming.on('error', () => sink.destroy())
    sink.signal.addEventListener('abort', () => incoming.destroy(), { once: true })
  }
}
