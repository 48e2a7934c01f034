import type { ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { ApiResponse, Sink } from './request.ts'

/** Of h2, or of HTTP/1.1, whose are alike in what is used here. */
export type Request = Http2ServerRequest
export type Response = Http2ServerResponse

const gzipFrom = 128 * 1024
/** Up to here a body is sent at once. */
const wholeUpTo = 64 * 1024
const largestWrite = 256 * 1024
const compress = promisify(gzip)
const lineEnd = Buffer.from('\r\n')

/** Sends an answer; of a stream its head, and the sink is the handler's. */
export async function send(
  request: Request,
  response: Response,
  { status, headers, body }: ApiResponse,
  signal: AbortSignal,
): Promise<void> {
  for (const name in headers) response.setHeader(name, headers[name] as string)
  if (typeof body === 'function') {
    response.writeHead(status)
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    // Headers must be on their way before the first event, or the client waits.
    flushHeaders(response)
    body(sinkOf(response, signal))
    return
  }
  let pieces = body instanceof Buffer ? [body] : (body as readonly Buffer[])
  let length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (
    length > gzipFrom &&
    !headers['content-encoding'] &&
    /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  ) {
    pieces = [await compress(Buffer.concat(pieces), { level: constants.Z_BEST_SPEED })]
    length = pieces[0].length
    response.setHeader('content-encoding', 'gzip')
    response.setHeader('vary', 'Accept-Encoding')
  }
  if (status !== 304) response.setHeader('content-length', length)
  response.writeHead(status)
  if (request.method === 'HEAD' || status === 304) response.end()
  else if (length <= wholeUpTo) response.end(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))
  else await sendPieces(response, pieces, signal)
}

function flushHeaders(response: Response): void {
  if ('flushHeaders' in response) (response as unknown as ServerResponse).flushHeaders()
}

/** A long body goes out piece by piece: the next is encrypted when the socket has taken the last, while it is in the CPU's cache. */
async function sendPieces(response: Response, pieces: readonly Buffer[], signal: AbortSignal): Promise<void> {
  flushHeaders(response)
  const gone = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  for (const piece of pieces) {
    for (let start = 0; start < piece.length; start += largestWrite) {
      const part = piece.length <= largestWrite ? piece : piece.subarray(start, start + largestWrite)
      const taken = new Promise<void>((resolve) => response.write(part, () => resolve()))
      await Promise.race([taken, gone])
      if (signal.aborted) return
    }
  }
  response.end()
}

function sinkOf(response: Response, signal: AbortSignal): Sink {
  const http1 = response as unknown as ServerResponse
  if (!response.stream && http1.chunkedEncoding && http1.socket) return chunkedSink(http1, http1.socket, signal)
  return {
    write: (chunk) => void response.write(chunk),
    end: () => void response.end(),
    destroy: () => (response.stream ? response.stream.destroy() : http1.destroy()),
    onDrain: (fn) => void response.on('drain', fn),
    get buffered() {
      return response.writableLength
    },
    signal,
  }
}

/** A stream in chunks of HTTP/1.1 that are framed here: node:http would do it for each of the watchers that are sent the same bytes. */
function chunkedSink(response: ServerResponse, socket: Socket, signal: AbortSignal): Sink {
  return {
    write(chunk) {
      // An empty chunk would be the end.
      if (chunk.length > 0 && !response.writableEnded) socket.write(framed(chunk))
    },
    end: () => void response.end(),
    destroy: () => void response.destroy(),
    onDrain(fn) {
      socket.on('drain', fn)
      response.once('close', () => socket.off('drain', fn))
    },
    get buffered() {
      return socket.writableLength
    },
    signal,
  }
}

let last: { chunk: Uint8Array; frame: Buffer } | undefined

function framed(chunk: Uint8Array): Buffer {
  if (last?.chunk !== chunk) {
    const length = Buffer.from(`${chunk.length.toString(16)}\r\n`)
    last = { chunk, frame: Buffer.concat([length, chunk, lineEnd]) }
  }
  return last.frame
}
