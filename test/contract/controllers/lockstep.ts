import { errorMessage } from '#lib'
import { type Difference, differ } from '../compare.ts'
import type { Frame } from './frame.ts'
import type { World } from './world.ts'

/** How long two clusters may take to come to the same state, ms. */
const patienceMs = 8_000
const pollMs = 40

/**
 * Brings two clusters to the same frame before either goes on: who is later is waited for, so that how fast they are does not
 * matter. Where they do not meet, that is a difference, told once.
 */
export class Lockstep {
  readonly differences: Difference[] = []
  readonly #seen = new Set<string>()
  readonly #isKnown: (difference: Difference) => boolean
  readonly #arrived = new Map<number, { world: World; label: string; go: () => void }>()
  #broken = false

  constructor(isKnown: (difference: Difference) => boolean) {
    this.#isKnown = isKnown
  }

  /** Both have come to this frame: compares, and lets both go on. */
  async meet(index: 0 | 1, world: World, label: string): Promise<void> {
    if (this.#broken) return
    const waiting = new Promise<void>((resolve) => this.#arrived.set(index, { world, label, go: resolve }))
    if (this.#arrived.size === 2) {
      const both = [0, 1].map((each) => this.#arrived.get(each)!)
      this.#arrived.clear()
      void this.#settle(both[0], both[1])
    }
    await waiting
  }

  /** One of the two goes no further: the other is not held up. */
  leave(): void {
    this.#broken = true
    for (const { go } of this.#arrived.values()) go()
    this.#arrived.clear()
  }

  async #settle(real: { world: World; label: string; go: () => void }, ours: typeof real): Promise<void> {
    try {
      const deadline = Date.now() + patienceMs
      let found: Difference[] = []
      let before: readonly Frame[] = []
      do {
        const now = [real.world.look(), ours.world.look()]
        if (now.some((frame, index) => frame !== before[index])) found = differ(now[0], now[1], `[${real.label}]`)
        before = now
        if (found.every((one) => this.#seen.has(place(one)) || this.#isKnown(one))) break
        await new Promise((resolve) => setTimeout(resolve, pollMs))
      } while (Date.now() < deadline)
      for (const one of found) {
        if (!this.#seen.has(place(one))) this.differences.push(one)
        this.#seen.add(place(one))
      }
    } catch (error) {
      this.differences.push({ at: real.label, real: errorMessage(error), ours: undefined })
    } finally {
      real.go()
      ours.go()
    }
  }
}

/** Where, in whichever frame and whichever of objects that are alike: what differs once goes on differing. */
function place({ at }: Difference): string {
  return at
    .replace(/^\[[^\]]*\] /, '')
    .replace(/ \(\d+\)/, '')
    .replace(/\[\d+\]/g, '[]')
}
