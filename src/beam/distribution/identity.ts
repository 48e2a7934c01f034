import { randomBytes } from 'node:crypto'
import { Pid, Reference } from '../term/index.ts'

/** Our node as others see it: the maker of our pids and references. */
export class Identity {
  readonly name: string
  readonly creation: number
  #pids = 0
  #references = 0
  readonly #salt = randomBytes(4).readUInt32BE()

  constructor(name: string, creation: number) {
    this.name = name
    this.creation = creation
  }

  pid(): Pid {
    return this.#pid(0)
  }

  /** A pid for printing to. It needs no table: what it is shows in its serial. */
  groupLeader(): Pid {
    return this.#pid(1)
  }

  /** What tells our pids apart, or undefined for those of others and of earlier starts of ours. */
  pidNumber(pid: Pid): number | undefined {
    return pid.node === this.name && pid.creation === this.creation && pid.serial === 0 ? pid.id : undefined
  }

  /** What tells our references apart, or undefined for those of others. */
  referenceNumber({ node, creation, ids }: Reference): number | undefined {
    const mine = ids.length === 3 && ids[2] === this.#salt && creation === this.creation && node === this.name
    return mine ? ids[0] + ids[1] * 2 ** 18 : undefined
  }

  isGroupLeader(pid: Pid): boolean {
    return pid.serial === 1 && pid.node === this.name && pid.creation === this.creation
  }

  #pid(serial: number): Pid {
    this.#pids = (this.#pids + 1) % 2 ** 32
    return new Pid(this.name, this.#pids, serial, this.creation)
  }

  /** The first word stays below 2^18, as older decoders want it. */
  reference(): Reference {
    this.#references += 1
    const low = this.#references % 2 ** 18
    return new Reference(this.name, this.creation, [low, Math.floor(this.#references / 2 ** 18), this.#salt])
  }
}

/** A creation that says "this start of this program": not 0, and none of the legacy values 1 to 3. */
export function randomCreation(): number {
  return (randomBytes(4).readUInt32BE() % (2 ** 32 - 4)) + 4
}

/** Pids and references as keys of tables. */
export const pidKey = (pid: Pid): string => `${pid.node}\0${pid.creation}.${pid.id}.${pid.serial}`
export const referenceKey = (reference: Reference): string =>
  `${reference.node}\0${reference.creation}.${reference.ids}`
