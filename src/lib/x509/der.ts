/** The few pieces of DER (X.690) that a certificate is made of. Each returns the bytes of one value. */

function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const size = body.length
  const length =
    size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : size < 0x10000 ? [0x82, size >> 8, size & 0xff] : undefined
  if (!length) throw new RangeError(`a DER value of ${size} bytes is not expected here`)
  return Buffer.concat([Buffer.of(tag, ...length), body])
}

export const sequence = (...parts: readonly Uint8Array[]) => tlv(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]) => tlv(0x31, ...parts)
export const octets = (body: Uint8Array) => tlv(0x04, body)
export const utf8 = (text: string) => tlv(0x0c, Buffer.from(text))
export const boolean = (value: boolean) => tlv(0x01, Buffer.of(value ? 0xff : 0))
export const bits = (body: Uint8Array, unused = 0) => tlv(0x03, Buffer.of(unused), body)

/** An unsigned integer given big-endian; a leading zero is added where the sign bit would be set. */
export function integer(bytes: Uint8Array): Buffer {
  return tlv(0x02, bytes[0] & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
}

/** A context-specific tag, around other values (constructed) or around raw bytes (primitive). */
export const explicit = (number: number, ...parts: readonly Uint8Array[]) => tlv(0xa0 | number, ...parts)
export const implicit = (number: number, body: Uint8Array) => tlv(0x80 | number, body)

export function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const group = [part & 0x7f]
    for (let left = part >> 7; left > 0; left >>= 7) group.unshift((left & 0x7f) | 0x80)
    bytes.push(...group)
  }
  return tlv(0x06, Buffer.from(bytes))
}

/** UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 4.1.2.5). */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return Number(digits.slice(0, 4)) < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits))
}
