import { CuddleError } from '#lib'

/** The loopback addresses of one virtual node's pods: 127.(64+index).0.0/16 but for .0.0 and .255.255. */
export class AddressPool {
  readonly cidr: string
  readonly #prefix: string
  readonly #used = new Set<number>()
  #next: number

  /**
   * `start` (1 to 65534) is the first address handed out. Every home has the same ranges: from a place of its own in them, two homes on one
   * machine do not meet, where a clustered BEAM app has one fixed port on all its addresses.
   */
  constructor(index: number, start = 1) {
    this.#next = start
    if (index < 0 || index > 190) throw new CuddleError('invalid', `node index ${index} has no address range`)
    this.#prefix = `127.${64 + index}`
    this.cidr = `${this.#prefix}.0.0/16`
  }

  /** The next free address; a given back one comes up again as late as possible, so that no client meets a stranger. */
  take(): string {
    for (let tries = 0; tries < 65_534; tries++) {
      const number = this.#next
      this.#next = number >= 65_534 ? 1 : number + 1
      if (this.#used.has(number)) continue
      this.#used.add(number)
      return `${this.#prefix}.${number >> 8}.${number & 255}`
    }
    throw new CuddleError('no-address', `all pod addresses of ${this.cidr} are in use`)
  }

  /** Takes a given address up, of a pod that runs already. */
  hold(ip: string): void {
    const number = this.#number(ip)
    if (number === undefined) return
    this.#used.add(number)
    this.#next = number >= this.#next ? (number % 65_534) + 1 : this.#next
  }

  release(ip: string): void {
    const number = this.#number(ip)
    if (number !== undefined) this.#used.delete(number)
  }

  #number(ip: string): number | undefined {
    if (!ip.startsWith(`${this.#prefix}.`)) return undefined
    const [, , high, low] = ip.split('.').map(Number)
    return high * 256 + low
  }
}
