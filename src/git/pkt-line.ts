/** One pkt-line (gitprotocol-common): four hex digits of length, then the payload. */
export function packet(payload: string): string {
  return (Buffer.byteLength(payload) + 4).toString(16).padStart(4, '0') + payload
}

/** The packet that ends a section. */
export const flush = '0000'

/** A packet of side-band 2: git prints it as `remote: …`. */
export function progress(line: string): string {
  return packet(`\u0002${line}\n`)
}

/** Cuts a stream into whole packets; `onPacket` gets each with its length prefix. */
export class PacketReader {
  #rest: Buffer = Buffer.alloc(0)
  readonly #onPacket: (packet: Buffer) => void

  constructor(onPacket: (packet: Buffer) => void) {
    this.#onPacket = onPacket
  }

  write(bytes: Buffer): void {
    let buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (buffer.length >= 4) {
      const length = Number.parseInt(buffer.toString('latin1', 0, 4), 16)
      // 0000 to 0003 are markers without payload.
      const size = Math.max(length, 4)
      if (Number.isNaN(size)) break
      if (buffer.length < size) break
      this.#onPacket(buffer.subarray(0, size))
      buffer = buffer.subarray(size)
    }
    this.#rest = buffer
  }
}
