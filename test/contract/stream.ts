/** WebSockets that carry channels: exec, attach, port-forward. */
import type { ClientRequest } from 'node:http'
import { webSockets } from '#lib'

export interface StreamOptions {
  /** Subprotocols, best first. */
  protocols: readonly string[]
  /** Messages, sent as soon as the server has accepted: a channel and what it is to carry. */
  send?: readonly (readonly [channel: number, text: string])[]
  /** Closes from here when it says so of the channels. @default the server closes */
  enough?: (channels: Record<string, string>) => boolean
  /** Only this is compared. */
  pick?: (body: any) => unknown
}

export interface StreamAnswer {
  /** 101, or how it was refused. */
  code: number
  protocol: string | undefined
  /** What came on each, in one piece. */
  channels: Record<string, string>
  /** The code that the server closed with; undefined when it was closed from here. */
  closed: number | undefined
  /** The body of a refusal. */
  text?: string
}

const patience = 30_000

export function upgradeTo({ protocols }: StreamOptions): Record<string, string> {
  return {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    ...(protocols.length > 0 && { 'sec-websocket-protocol': protocols.join(', ') }),
  }
}

export async function openStream(outgoing: ClientRequest, options: StreamOptions): Promise<StreamAnswer> {
  const { WebSocketPeer } = await webSockets()
  return new Promise((resolve, reject) => {
    const none = { channels: {}, closed: undefined }
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      let text = ''
      incoming.setEncoding('utf8').on('data', (chunk) => (text += chunk))
      incoming.on('end', () => resolve({ code: incoming.statusCode!, protocol: undefined, ...none, text }))
    })
    outgoing.on('upgrade', (response, socket, head) => {
      if (head.length > 0) socket.unshift(head)
      const protocol = response.headers['sec-websocket-protocol']
      const base64 = protocol?.includes('base64') ?? false
      const peer = new WebSocketPeer(socket, 'client')
      const timer = setTimeout(() => {
        reject(new Error(`the stream does not end; it said ${JSON.stringify(channels)}`))
        peer.destroy()
      }, patience)
      const channels: Record<string, string> = {}
      const read = async () => {
        for (const [channel, text] of options.send ?? []) {
          if (base64) peer.send(`${channel}${Buffer.from(text).toString('base64')}`, false)
          else peer.send(Buffer.concat([Buffer.of(channel), Buffer.from(text, 'latin1')]))
        }
        for await (const { data } of peer.messages()) {
          const channel = base64 ? data[0] - 0x30 : data[0]
          const body = base64 ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1)
          channels[channel] = (channels[channel] ?? '') + body.toString('latin1')
          if (!options.enough?.(channels)) continue
          peer.close()
          return undefined
        }
        return peer.closed?.code
      }
      void read().then((closed) => {
        clearTimeout(timer)
        resolve({ code: 101, protocol, channels, closed })
      }, reject)
    })
    outgoing.end()
  })
}
