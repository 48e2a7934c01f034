import { uint32 } from './headers.ts'

/** Types of control frames (SPDY protocol draft 3, 2.6). */
export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const

export const fin = 0x01
export const rstStatus = { protocolError: 1, invalidStream: 2, cancel: 5, streamAlreadyClosed: 9 } as const

export type Frame =
  | { kind: 'data'; stream: number; flags: number; payload: Buffer }
  | { kind: 'control'; version: number; type: number; flags: number; payload: Buffer }

/** Of control frames; data may be as long as its 24 bits of length allow. */
const maxControlBytes = 256 * 1024

/** The first whole frame of a buffer and its length in bytes; undefined while there is none. Throws on an absurd one. */
export function readFrame(buffer: Buffer): { frame: Frame; size: number } | undefined {
  if (buffer.length < 8) return undefined
  const control = (buffer[0] & 0x80) !== 0
  const length = buffer.readUIntBE(5, 3)
  if (control && length > maxControlBytes) throw new Error(`a SPDY control frame of ${length} bytes`)
  const size = 8 + length
  if (buffer.length < size) return undefined
  const flags = buffer[4]
  const payload = buffer.subarray(8, size)
  const frame: Frame = control
    ? { kind: 'control', version: buffer.readUInt16BE(0) & 0x7fff, type: buffer.readUInt16BE(2), flags, payload }
    : { kind: 'data', stream: buffer.readUInt32BE(0), flags, payload }
  return { frame, size }
}

export function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16BE(0x8003, 0)
  head.writeUInt16BE(type, 2)
  head[4] = flags
  head.writeUIntBE(payload.length, 5, 3)
  return Buffer.concat([head, payload])
}

export function dataFrame(stream: number, flags: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(8 + payload.length)
  frame.writeUInt32BE(stream, 0)
  frame[4] = flags
  frame.writeUIntBE(payload.length, 5, 3)
  frame.set(payload, 8)
  return frame
}

export const streamAnd = (stream: number, value: number) => Buffer.concat([uint32(stream), uint32(value)])
