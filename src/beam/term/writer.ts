/** Bytes that grow. Big-endian, as everything in the format. */
export class Writer {
  #bytes: Buffer
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  get length(): number {
    return this.#length
  }

  #reserve(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    this.#length = needed
    return at
  }

  u8(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#reserve(2)
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
  }

  /** 32 bits, with a sign or without. */
  u32(value: number): void {
    this.#put32(this.#reserve(4), value)
  }

  // By hand: the methods of Buffer check ranges, which costs more than writing.
  #put32(at: number, value: number): void {
    const bytes = this.#bytes
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
  }

  u64(value: bigint): void {
    const at = this.#reserve(8)
    this.#bytes.writeBigUInt64BE(value, at)
  }

  f64(value: number): void {
    const at = this.#reserve(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  bytes(value: Uint8Array): void {
    const at = this.#reserve(value.length)
    this.#bytes.set(value, at)
  }

  /** UTF-8, `byteLength` of it. */
  text(value: string, byteLength: number): void {
    const at = this.#reserve(byteLength)
    this.#bytes.write(value, at, byteLength, 'utf8')
  }

  /** A text of so many characters, all of them ASCII. */
  ascii(value: string): void {
    const at = this.#reserve(value.length)
    for (let i = 0; i < value.length; i++) this.#bytes[at + i] = value.charCodeAt(i)
  }

  /** Overwrites 4 bytes that were written before. */
  patchU32(at: number, value: number): void {
    this.#put32(at, value)
  }

  /** Forgets what was written from there on. */
  truncate(length: number): void {
    this.#length = length
  }

  /** What was written. The writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
}
