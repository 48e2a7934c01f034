import { DecodeError } from './errors.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads big-endian numbers and bytes, never past the end. */
export class Reader {
  readonly input: Buffer
  readonly end: number
  position: number

  constructor(input: Uint8Array, position = 0, end = input.length) {
    this.input = Buffer.isBuffer(input) ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength)
    this.end = end
    this.position = position
  }

  fail(message: string): never {
    throw new DecodeError(message, this.position)
  }

  /** Moves on by `count` bytes and returns where they start. */
  take(count: number): number {
    const at = this.position
    if (count > this.end - at) this.fail(`the term is cut off: ${count} bytes wanted, ${this.end - at} there`)
    this.position = at + count
    return at
  }

  u8(): number {
    return this.input[this.take(1)]
  }

  u16(): number {
    const at = this.take(2)
    return (this.input[at] << 8) | this.input[at + 1]
  }

  u32(): number {
    return this.i32() >>> 0
  }

  // By hand: `take` has checked what the methods of Buffer check again.
  i32(): number {
    const { input } = this
    const at = this.take(4)
    return (input[at] << 24) | (input[at + 1] << 16) | (input[at + 2] << 8) | input[at + 3]
  }

  u64(): bigint {
    return this.input.readBigUInt64BE(this.take(8))
  }

  f64(): number {
    return this.input.readDoubleBE(this.take(8))
  }

  /** A number of items still to come, each at least `size` bytes: what cannot be there is refused before it is allocated. */
  count(items: number, size = 1): number {
    if (items * size > this.end - this.position) this.fail(`the term is cut off: ${items} items announced`)
    return items
  }

  latin1(length: number): string {
    const at = this.take(length)
    return this.input.toString('latin1', at, at + length)
  }

  utf8(length: number): string {
    const at = this.take(length)
    for (let i = at; i < at + length; i++) {
      if (this.input[i] < 0x80) continue
      try {
        return strictUtf8.decode(this.input.subarray(at, at + length))
      } catch {
        this.fail('an atom is not valid UTF-8')
      }
    }
    return this.input.toString('latin1', at, at + length)
  }

  /** A copy, unless they are most of the memory they lie in: a small binary must not keep a large reply alive. */
  bytes(length: number): Buffer {
    const at = this.take(length)
    const view = this.input.subarray(at, at + length)
    return length * 2 >= this.input.buffer.byteLength ? view : Buffer.from(view)
  }
}
