import { Readable, Writable } from 'node:stream'
import type { WebSocketPeer } from '#lib'
import type { RemoteStreams, StreamRequest } from './remote-command.ts'
import { Sizes } from './resize.ts'

/** The first byte of every message (k8s.io/apimachinery remotecommand). */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 }
const pieceBytes = 32 * 1024

/** Streams as channels of WebSocket messages; reading goes on until the client has gone. */
export function webSocketStreams(peer: WebSocketPeer, protocol: string, wants: StreamRequest): RemoteStreams {
  const base64 = protocol.includes('base64')
  const text = !/^v[45]\./.test(protocol)
  const gone = new AbortController()
  const sizes = new Sizes()
  let room: (() => void) | undefined
  const stdin = wants.stdin
    ? new Readable({
        read() {
          room?.()
          room = undefined
        },
      })
    : undefined
  stdin?.on('error', () => {})

  const send = (to: number, data: Uint8Array): boolean =>
    base64
      ? peer.send(String(to) + Buffer.from(data).toString('base64'), false)
      : peer.send(Buffer.concat([Buffer.from([to]), data]))
  const output = (to: number) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        let free = true
        for (let at = 0; at < chunk.length; at += pieceBytes) free = send(to, chunk.subarray(at, at + pieceBytes))
        if (free) done()
        else void peer.drained().then(() => done())
      },
    })
  const stdout = wants.stdout ? output(channel.stdout) : undefined
  const stderr = wants.stderr && !wants.tty ? output(channel.stderr) : undefined

  // Clients wait for a first message to know that the stream is up.
  send(stdout ? channel.stdout : stderr ? channel.stderr : channel.error, new Uint8Array(0))
  void receive()
  return {
    stdin,
    stdout,
    stderr,
    protocol,
    onResize: (fn) => sizes.listen(fn),
    async finish(status) {
      await Promise.all([stdout, stderr].map((stream) => stream && ended(stream)))
      if (!text) send(channel.error, Buffer.from(JSON.stringify(status)))
      else if (status.status === 'Failure') send(channel.error, Buffer.from(status.message ?? 'failed'))
      await peer.drained()
      peer.close()
      stdin?.resume()
    },
    gone: gone.signal,
  }

  async function receive(): Promise<void> {
    for await (const { data } of peer.messages()) {
      if (data.length === 0) continue
      const to = base64 ? data[0] - 0x30 : data[0]
      const body = base64 ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1)
      if (to === channel.stdin && stdin && !stdin.readableEnded && body.length > 0) {
        if (!stdin.push(body)) {
          await new Promise<void>((resolve) => {
            room = resolve
            if (stdin.destroyed) resolve()
          })
        }
      } else if (to === channel.resize) sizes.take(body.toString())
      else if (to === channel.close && body[0] === channel.stdin) stdin?.push(null)
    }
    if (stdin && !stdin.destroyed) stdin.push(null)
    gone.abort()
  }
}

/** Ends a stream and waits until what it holds is on its way. */
export function ended(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.writableFinished) return Promise.resolve()
  return new Promise((resolve) => {
    stream
      .once('close', resolve)
      .once('finish', resolve)
      .once('error', () => resolve())
    stream.end()
  })
}
