import type { Clock } from '#lib'
import type { Stored } from '../store/index.ts'

/** About so many bytes are joined to one piece of a body, which is sent, and kept, as a whole. */
const pieceBytes = 128 * 1024
/** Of lists with fewer objects nothing is kept: joining them costs less than a request. */
const keptFrom = 64
const keptBytes = 64 * 1024 * 1024
const keptMs = 10_000

interface Piece {
  items: readonly Stored[]
  bytes: Buffer
}

interface Kept {
  pieces: Piece[]
  bytes: number
  usedAt: number
}

/**
 * The joined bytes of long lists, kept for ten seconds after they were last asked for: whoever lists has company as a rule (a
 * restarted API server all its informers). Stored objects never change, so a piece is good while its objects are the same.
 */
export class ListCache {
  readonly #clock: Clock
  /** The longest unused first. */
  readonly #lists = new Map<string, Kept>()
  #bytes = 0
  #cancelSweep: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `items` joined by commas, in pieces. `encode` makes the bytes of a few of them; `form` names what it does. */
  join(
    form: string,
    items: readonly Stored[],
    encode: (items: readonly Stored[], comma: boolean) => Buffer,
  ): readonly Buffer[] {
    if (items.length < keptFrom) return items.length === 0 ? [] : [encode(items, false)]
    const length = pieceLength(items)
    const key = `${form} ${length} ${items[0].id} ${items[items.length - 1].id} ${items.length}`
    const known = this.#take(key)?.pieces ?? []
    const pieces: Piece[] = []
    for (let start = 0; start < items.length; start += length) {
      const piece = known[pieces.length]
      if (piece && sameItems(piece.items, items, start)) pieces.push(piece)
      else {
        const some = items.slice(start, start + length)
        pieces.push({ items: some, bytes: encode(some, start > 0) })
      }
    }
    this.#keep(key, pieces)
    return pieces.map(({ bytes }) => bytes)
  }

  #take(key: string): Kept | undefined {
    const kept = this.#lists.get(key)
    if (!kept) return undefined
    this.#lists.delete(key)
    this.#bytes -= kept.bytes
    return kept
  }

  #keep(key: string, pieces: Piece[]): void {
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
    if (bytes > keptBytes) return
    this.#lists.set(key, { pieces, bytes, usedAt: this.#clock.monotonic() })
    this.#bytes += bytes
    for (const oldest of this.#lists.keys()) {
      if (this.#bytes <= keptBytes) break
      this.#take(oldest)
    }
    this.#sweepLater()
  }

  close(): void {
    this.#cancelSweep?.()
    this.#lists.clear()
  }

  #sweepLater(): void {
    if (this.#cancelSweep || this.#lists.size === 0) return
    this.#cancelSweep = this.#clock.after(keptMs, () => {
      this.#cancelSweep = undefined
      const before = this.#clock.monotonic() - keptMs
      for (const [key, { usedAt }] of this.#lists) {
        if (usedAt > before) break
        this.#take(key)
      }
      this.#sweepLater()
    })
  }
}

/** By the size of the first objects, for the others will be like them; a power of two, so that it is the same the next time. */
function pieceLength(items: readonly Stored[]): number {
  const sample = items.slice(0, 16)
  const mean = sample.reduce((sum, { bytes }) => sum + bytes.length, 0) / sample.length
  return 2 ** Math.min(10, Math.max(0, Math.round(Math.log2(pieceBytes / mean))))
}

function sameItems(piece: readonly Stored[], items: readonly Stored[], start: number): boolean {
  if (piece.length > items.length - start) return false
  for (let index = 0; index < piece.length; index++) if (piece[index] !== items[start + index]) return false
  return true
}
