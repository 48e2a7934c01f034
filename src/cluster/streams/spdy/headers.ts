import { constants, createInflate, type Inflate } from 'node:zlib'
import { adler32, spdyDictionary } from './dictionary.ts'

/** Lower-case names; several values of one name are joined by NUL, as they are on the wire. */
export type SpdyHeaders = Record<string, string>

const maxBlockBytes = 256 * 1024
/** An empty stored block, what Z_SYNC_FLUSH writes: only when it meets one, Go's reader hands out what it has. */
const flush = Buffer.from([0, 0, 0, 0xff, 0xff])

/** Reads header blocks of one direction of a session: one zlib stream for all of them. */
export class HeaderReader {
  #inflate: Inflate | undefined
  #output: Buffer[] = []
  #size = 0
  #failed: Error | undefined
  #fail: ((error: Error) => void) | undefined

  /** Call one at a time, in the order of the frames. Rejects on what is no header block, or one beyond 256 KiB. */
  async read(block: Buffer): Promise<SpdyHeaders> {
    this.#inflate ??= this.#start()
    this.#output = []
    this.#size = 0
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject
      if (this.#failed) reject(this.#failed)
      else this.#inflate!.write(block, (error) => (error ? reject(error) : resolve()))
    })
    return parse(Buffer.concat(this.#output))
  }

  close(): void {
    this.#inflate?.destroy()
  }

  #start(): Inflate {
    const inflate = createInflate({ dictionary: spdyDictionary(), flush: constants.Z_SYNC_FLUSH })
    inflate.on('data', (chunk: Buffer) => {
      this.#size += chunk.length
      if (this.#size <= maxBlockBytes) this.#output.push(chunk)
      else inflate.destroy(new Error('a SPDY header block is too large'))
    })
    inflate.on('error', (error) => {
      this.#failed = error
      this.#fail?.(error)
    })
    return inflate
  }
}

function parse(block: Buffer): SpdyHeaders {
  let at = 0
  const number = () => {
    at += 4
    return block.readUInt32BE(at - 4)
  }
  const text = () => {
    const length = number()
    if (length > block.length - at) throw new Error('a SPDY header block ends too soon')
    at += length
    return block.toString('utf8', at - length, at)
  }
  const headers: [string, string][] = []
  for (let count = number(); count > 0; count--) headers.push([text().toLowerCase(), text()])
  return Object.assign(Object.create(null), Object.fromEntries(headers))
}

/**
 * Writes header blocks of one direction of a session. They are stored, not compressed (RFC 1951, 3.2.4): a valid zlib
 * stream at no cost in memory, and what a server of streams has to say in headers is next to nothing.
 */
export class HeaderWriter {
  #begun = false

  write(headers: SpdyHeaders): Buffer {
    const parts: Buffer[] = []
    const entries = Object.entries(headers)
    parts.push(uint32(entries.length))
    for (const pair of entries) {
      for (const text of pair) {
        const bytes = Buffer.from(text)
        parts.push(uint32(bytes.length), bytes)
      }
    }
    const block = Buffer.concat(parts)
    if (block.length > 0xffff) throw new Error('a SPDY header block is too large')
    const head = Buffer.alloc(5)
    head.writeUInt16LE(block.length, 1)
    head.writeUInt16LE(block.length ^ 0xffff, 3)
    const begin = this.#begun ? [] : [Buffer.from([0x78, 0xbb]), uint32(adler32(spdyDictionary()))]
    this.#begun = true
    return Buffer.concat([...begin, head, block, flush])
  }
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
