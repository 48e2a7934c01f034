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
    this.#bytes.writeUInt16BE(value, at)
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.#bytes.writeUInt32BE(value, at)
  }

  i32(value: number): void {
    const at = this.#reserve(4)
    this.#bytes.writeInt32BE(value, at)
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

  /** Overwrites 4 bytes that were written before. */
  patchU32(at: number, value: number): void {
    this.#bytes.writeUInt32BE(value, at)
  }

  /** What was written. The writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
}
