import type { Duplex } from 'node:stream'
import type { Clock } from '#lib'
import type { RemoteStreams, StreamRequest } from './remote-command.ts'
import { ended } from './remote-websocket.ts'
import { Sizes } from './resize.ts'
import { SpdySession, type SpdyStream } from './spdy/index.ts'

/** As the kubelet's streamCreationTimeout. */
const creationMs = 30_000

/** Streams as SPDY streams, named by their header `streamType`; undefined when the client does not open them in time. */
export async function spdyStreams(
  socket: Duplex,
  protocol: string,
  wants: StreamRequest,
  clock: Clock,
): Promise<RemoteStreams | undefined> {
  const missing = new Set(['error'])
  if (wants.stdin) missing.add('stdin')
  if (wants.stdout) missing.add('stdout')
  if (wants.stderr && !wants.tty) missing.add('stderr')
  if (wants.tty && /^v[34]\./.test(protocol)) missing.add('resize')
  const streams = new Map<string, SpdyStream>()
  const gone = new AbortController()
  const session: SpdySession = (await new Promise<SpdySession | undefined>((resolve) => {
    const opened = new SpdySession(socket, {
      role: 'server',
      onStream(stream) {
        const type = stream.headers['streamtype'] ?? ''
        if (!missing.delete(type)) return void stream.destroy()
        streams.set(type, stream)
        if (missing.size === 0) finish(opened)
      },
    })
    const cancel = clock.after(creationMs, () => finish(undefined))
    const finish = (result: SpdySession | undefined) => {
      cancel()
      if (!result) opened.destroy()
      resolve(result)
    }
    void opened.closed.then(() => {
      gone.abort()
      finish(undefined)
    })
  })) as SpdySession
  if (!session) return undefined
  const sizes = new Sizes()
  void readSizes(streams.get('resize'), sizes)
  streams.get('error')!.resume()
  return {
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    onResize: (fn) => sizes.listen(fn),
    protocol,
    async finish(status) {
      const outputs = ['stdout', 'stderr'].flatMap((name) => streams.get(name) ?? [])
      await Promise.all(outputs.map(ended))
      const error = streams.get('error')!
      if (protocol.startsWith('v4.')) error.write(JSON.stringify(status))
      else if (status.status === 'Failure') error.write(status.message ?? 'failed')
      await ended(error)
      session.close()
      streams.get('stdin')?.resume()
    },
    gone: gone.signal,
  }
}

/** JSON documents one after the other, with or without newlines between them. */
async function readSizes(stream: SpdyStream | undefined, sizes: Sizes): Promise<void> {
  if (!stream) return
  let text = ''
  try {
    for await (const chunk of stream) {
      text = (text + chunk).slice(-1024)
      for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
        sizes.take(text.slice(0, end + 1))
        text = text.slice(end + 1)
      }
    }
  } catch {
    // the client has gone
  }
}
