import { CuddleError } from '#lib'

/** An entry as an archive states it; nothing about it is checked yet. */
export interface RawEntry {
  path: string
  /** The type flag of the header: `0` file, `1` hard link, `2` symlink, `3`/`4` devices, `5` directory, `6` fifo. */
  type: string
  mode: number
  size: number
  target: string
  /** The content, in pieces; must be consumed before the next entry is asked for (what is left over is skipped). */
  content: AsyncIterable<Buffer>
}

const block = 512
const maxMeta = 1024 * 1024

/**
 * Reads an archive (ustar, pax and GNU long names) from pieces of any size.
 * @throws CuddleError `bad-archive` when it is cut short or a header is damaged
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<RawEntry> {
  const reader = new Reader(chunks)
  let pax: Map<string, string> | undefined
  let longName: string | undefined
  let longTarget: string | undefined
  for (;;) {
    const header = await reader.take(block)
    if (header.length === 0 || isZero(header)) return
    if (header.length < block) throw damaged('cut short')
    checkSum(header)
    const type = header[156] === 0 ? '0' : String.fromCharCode(header[156])
    const size = pax?.has('size') ? Number(pax.get('size')) : number(header, 124, 12)
    if (!Number.isSafeInteger(size) || size < 0) throw damaged('impossible size')
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      const body = await reader.meta(size)
      if (type === 'x') pax = paxRecords(body)
      else if (type === 'L') longName = cString(body, 0, body.length)
      else if (type === 'K') longTarget = cString(body, 0, body.length)
      continue
    }
    const prefix = header.toString('latin1', 257, 262) === 'ustar' && header[345] ? cString(header, 345, 155) + '/' : ''
    const hasContent = type === '0' || type === '7'
    const content = reader.content(hasContent ? size : 0)
    yield {
      path: pax?.get('path') ?? longName ?? prefix + cString(header, 0, 100),
      type: type === '7' ? '0' : type,
      mode: number(header, 100, 8),
      size: hasContent ? size : 0,
      target: pax?.get('linkpath') ?? longTarget ?? cString(header, 157, 100),
      content,
    }
    for await (const _ of content) {
      // what the caller did not read
    }
    pax = undefined
    longName = undefined
    longTarget = undefined
  }
}

class Reader {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #rest: Buffer = Buffer.alloc(0)

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#source = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]()
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done) return false
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length)
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    return true
  }

  /** Exactly `count` bytes, or fewer at the end of the input. */
  async take(count: number): Promise<Buffer> {
    while (this.#rest.length < count && (await this.#more())) {}
    const piece = this.#rest.subarray(0, count)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  async meta(size: number): Promise<Buffer> {
    if (size > maxMeta) throw damaged('a header of more than 1 MiB')
    const body = await this.take(Math.ceil(size / block) * block)
    if (body.length < size) throw damaged('cut short')
    return body.subarray(0, size)
  }

  async *content(size: number): AsyncGenerator<Buffer> {
    let left = size
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) throw damaged('cut short')
      const piece = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(piece.length)
      left -= piece.length
      // The padding goes first, so that a caller who stops at the last piece leaves the reader at the next header.
      if (left === 0 && size % block !== 0) {
        const padding = block - (size % block)
        if ((await this.take(padding)).length < padding) throw damaged('cut short')
      }
      yield piece
    }
  }
}

function damaged(what: string): CuddleError {
  return new CuddleError('bad-archive', `the archive is damaged: ${what}`)
}

function isZero(header: Buffer): boolean {
  return header.every((byte) => byte === 0)
}

function cString(bytes: Buffer, at: number, width: number): string {
  const end = bytes.indexOf(0, at)
  return bytes.toString('utf8', at, end < 0 || end > at + width ? at + width : end)
}

/** Octal text, or GNU's base-256 when the top bit is set. */
function number(header: Buffer, at: number, width: number): number {
  if (header[at] & 0x80) {
    let value = 0
    for (let index = at + 1; index < at + width; index++) value = value * 256 + header[index]
    return value
  }
  const text = header
    .toString('latin1', at, at + width)
    .replace(/[\0 ]+$/, '')
    .trim()
  return text === '' ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
}

function checkSum(header: Buffer): void {
  let sum = 8 * 0x20
  for (let index = 0; index < block; index++) if (index < 148 || index >= 156) sum += header[index]
  if (sum !== number(header, 148, 8)) throw damaged('a header does not match its checksum')
}

function paxRecords(body: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at)
    const length = space < 0 ? Number.NaN : Number(body.toString('latin1', at, space))
    if (!Number.isSafeInteger(length) || length <= space - at || at + length > body.length)
      throw damaged('a pax record')
    const record = body.toString('utf8', space + 1, at + length - 1)
    const equals = record.indexOf('=')
    if (equals < 0) throw damaged('a pax record')
    records.set(record.slice(0, equals), record.slice(equals + 1))
    at += length
  }
  return records
}
