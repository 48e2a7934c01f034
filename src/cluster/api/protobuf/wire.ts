/** Reads the protobuf wire format (protobuf.dev/programming-guides/encoding): what is malformed throws WireError. */
export class WireError extends Error {}

export class Reader {
  readonly #bytes: Buffer
  #at: number
  readonly #end: number

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  /** A varint as a signed 64-bit number; beyond 2^53 it is rounded, as everywhere in JavaScript's JSON. */
  varint(): number {
    let low = 0
    let high = 0
    for (let shift = 0; ; shift += 7) {
      if (this.#at >= this.#end || shift > 63) throw new WireError('proto: illegal varint')
      const byte = this.#bytes[this.#at++]
      if (shift < 28) low |= (byte & 0x7f) << shift
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28
        high |= (byte & 0x7f) >> 4
      } else high |= (byte & 0x7f) << (shift - 32)
      if (byte < 0x80) return high * 2 ** 32 + (low >>> 0)
    }
  }

  double(): number {
    this.#need(8)
    const value = this.#bytes.readDoubleLE(this.#at)
    this.#at += 8
    return value
  }

  /** The bytes of a length-delimited field, as a view. */
  slice(): Buffer {
    const length = this.varint()
    this.#need(length)
    const view = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return view
  }

  /** Passes over a field of a number that the message does not have. */
  skip(wireType: number): void {
    if (wireType === 0) this.varint()
    else if (wireType === 1) this.#pass(8)
    else if (wireType === 2) this.slice()
    else if (wireType === 5) this.#pass(4)
    else throw new WireError(`proto: wrong wireType = ${wireType}`)
  }

  #pass(length: number): void {
    this.#need(length)
    this.#at += length
  }

  #need(length: number): void {
    if (length < 0 || this.#at + length > this.#end) throw new WireError('unexpected EOF')
  }
}
