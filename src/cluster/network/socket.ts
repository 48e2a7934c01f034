import { Socket } from 'node:net'

/**
 * A socket over an accepted connection (of a server with `pauseOnConnect`) that reads into one given buffer. Node offers
 * that (`onread`) for outgoing connections only; for accepted ones the connection changes hands here. It saves the
 * allocation of 64 KiB per read. Should a later Node hide the handle, plain `data` events do the same, slower.
 */
export function takeOver(accepted: Socket, buffer: Buffer, onBytes: (buffer: Buffer, length: number) => void): Socket {
  const inner = accepted as unknown as { _handle: unknown; _server: unknown }
  const handle = inner._handle
  if (!handle) {
    accepted.on('data', (chunk: Buffer) => onBytes(chunk, chunk.length))
    accepted.resume()
    return accepted
  }
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer,
      callback: (length: number) => {
        onBytes(buffer, length)
        return true
      },
    },
  }
  const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
  ;(socket as unknown as { _server: unknown })._server = inner._server
  inner._server = null
  inner._handle = null
  return socket
}
