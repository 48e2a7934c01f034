import {
  Atom,
  BitString,
  Export,
  Float,
  ImproperList,
  Pid,
  Port,
  Reference,
  type Term,
  TermMap,
  Tuple,
} from '../term/index.ts'
import type { Random } from './random.ts'

const words = [
  'ok',
  'error',
  'true',
  'false',
  'nil',
  '',
  'Elixir.Enum',
  'with space',
  "it's",
  'é',
  '日本',
  '💚',
  'x'.repeat(255),
]

/** Any data: what both sides can print, parse and compare. */
export function randomData(random: Random, size = 4): Term {
  const leaf = size <= 0
  switch (random.below(leaf ? 8 : 13)) {
    case 0:
      return random.below(300) - 20
    case 1:
      return randomInteger(random)
    case 2:
      return new Float(randomFloat(random))
    case 3:
      return new Atom(random.pick(words))
    case 4:
      return random.bytes(random.below(random.pick([4, 40, 400])))
    case 5:
      return Buffer.from(random.pick(['text', 'naïve', '日本語', '"quoted" \\ and\nlines', '']))
    case 6:
      return bitString(random)
    case 7:
      return Array.from({ length: random.below(20) }, () => random.below(random.pick([128, 256, 300])))
    case 8:
    case 9:
      return many(random, size)
    case 10:
      return new Tuple(random.below(30) === 0 ? Array.from({ length: 300 }, (_, i) => i) : many(random, size))
    case 11:
      return new TermMap(many(random, size).map((key) => [key, randomData(random, size - 1)]))
    default: {
      const tail = randomData(random, 0)
      const elements = [...many(random, size), 1]
      return Array.isArray(tail) ? [...elements, ...tail] : new ImproperList(elements, tail)
    }
  }
}

/** Data, and what only a node can make sense of. */
export function randomTerm(random: Random, size = 4): Term {
  switch (random.below(12)) {
    case 0:
      return new Pid('a@b', random.below(2 ** 28), random.below(2 ** 13), random.below(2 ** 32))
    case 1:
      return new Port('a@b', BigInt(random.below(2 ** 28)), random.below(2 ** 32))
    case 2:
      return new Reference('a@b', random.below(2 ** 32), [
        random.below(2 ** 18),
        random.below(2 ** 32),
        random.below(2 ** 32),
      ])
    case 3:
      return new Export('lists', random.pick(words), random.below(256))
    case 4:
      return new Tuple([randomTerm(random, size - 1), randomData(random, size - 1)])
    case 5:
      return new TermMap([[randomTerm(random, size - 2), randomTerm(random, size - 2)]])
    default:
      return randomData(random, size)
  }
}

function many(random: Random, size: number): Term[] {
  return Array.from({ length: random.below(6) }, () => randomData(random, size - 1))
}

function randomInteger(random: Random): number | bigint {
  const edge = 2n ** BigInt(random.pick([7, 8, 15, 16, 27, 28, 31, 32, 53, 59, 63, 64, 100, 2040, 3000]))
  const value = (random.below(2) === 0 ? edge : -edge) + BigInt(random.below(5) - 2)
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

function randomFloat(random: Random): number {
  const special = [0, 1, -1, 1e21, 1e-7, 5e-324, Number.MAX_VALUE, 0.1, 2 ** 53]
  if (random.below(3) === 0) return random.pick(special)
  return (random.next() - 0.5) * 10 ** (random.below(600) - 300)
}

function bitString(random: Random): BitString {
  const bits = 1 + random.below(7)
  const bytes = random.bytes(1 + random.below(20))
  bytes[bytes.length - 1] &= 0xff << (8 - bits)
  return new BitString(bytes, bits)
}
