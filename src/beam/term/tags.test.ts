import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { deflateSync } from 'node:zlib'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { format } from './format.ts'
import { sameTerm, TermMap } from './map.ts'
import type { tag } from './tags.ts'
import {
  Atom,
  BitString,
  Export,
  Float,
  Fun,
  ImproperList,
  NativeRecord,
  Pid,
  Port,
  Reference,
  type Term,
  Tuple,
} from './terms.ts'

const u16 = (value: number) => [value >> 8, value & 255]
const u32 = (value: number) => [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255]
const text = (value: string, encoding: BufferEncoding = 'latin1') => [...Buffer.from(value, encoding)]
const node = [119, 3, ...text('a@b')]
const pid = [88, ...node, ...u32(1), ...u32(2), ...u32(3)]
const uniq = Array.from({ length: 16 }, (_, i) => i)
const funBody = [1, ...uniq, ...u32(4), ...u32(1), 119, 1, 109, 97, 5, 97, 6, ...pid, 97, 9]
const inner = [107, ...u16(2), 104, 105]

/** The bytes that OTP writes for each tag, after the version; old ones as old nodes and files have them. */
const written: Record<keyof typeof tag, [bytes: number[], term: Term]> = {
  smallInteger: [[97, 255], 255],
  integer: [[98, ...u32(0x80000000)], -(2 ** 31)],
  smallBig: [[110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128], -(2n ** 63n)],
  largeBig: [[111, ...u32(256), 0, ...Array(255).fill(0), 1], 2n ** 2040n],
  newFloat: [[70, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], new Float(1.5)],
  float: [[99, ...text('1.50000000000000000000e+00'.padEnd(31, '\0'))], new Float(1.5)],
  smallAtomUtf8: [[119, 2, ...text('é', 'utf8')], new Atom('é')],
  atomUtf8: [[118, ...u16(2), ...text('é', 'utf8')], new Atom('é')],
  smallAtom: [[115, 1, 0xe9], new Atom('é')],
  atom: [[100, ...u16(1), 0xe9], new Atom('é')],
  binary: [[109, ...u32(2), 0, 255], Buffer.from([0, 255])],
  bitBinary: [[77, ...u32(2), 3, 255, 0xff], new BitString(Buffer.from([255, 0xe0]), 3)],
  nil: [[106], []],
  string: [inner, [104, 105]],
  list: [[108, ...u32(1), 97, 1, 97, 2], new ImproperList([1], 2)],
  smallTuple: [[104, 1, 106], new Tuple([[]])],
  largeTuple: [[105, ...u32(1), 106], new Tuple([[]])],
  map: [[116, ...u32(1), 97, 1, 70, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], new TermMap([[1, new Float(1)]])],
  newPid: [pid, new Pid('a@b', 1, 2, 3)],
  oldPid: [[103, ...node, ...u32(1), ...u32(2), 3], new Pid('a@b', 1, 2, 3)],
  v4Port: [[120, ...node, 0, 0, 0, 1, 0, 0, 0, 2, ...u32(3)], new Port('a@b', 2n ** 32n + 2n, 3)],
  newPort: [[89, ...node, ...u32(2), ...u32(3)], new Port('a@b', 2n, 3)],
  oldPort: [[102, ...node, ...u32(2), 3], new Port('a@b', 2n, 3)],
  newerReference: [
    [90, ...u16(5), ...node, ...u32(3), ...[1, 2, 3, 4, 5].flatMap(u32)],
    new Reference('a@b', 3, [1, 2, 3, 4, 5]),
  ],
  newReference: [[114, ...u16(3), ...node, 3, ...[1, 2, 3].flatMap(u32)], new Reference('a@b', 3, [1, 2, 3])],
  oldReference: [[101, ...node, ...u32(1), 3], new Reference('a@b', 3, [1])],
  export: [[113, 119, 1, 109, 119, 1, 102, 97, 2], new Export('m', 'f', 2)],
  newFun: [
    [112, ...u32(funBody.length + 4), ...funBody],
    new Fun({
      module: 'm',
      arity: 1,
      uniq: Buffer.from(uniq),
      index: 4,
      oldIndex: 5,
      oldUniq: 6,
      pid: new Pid('a@b', 1, 2, 3),
      free: [9],
    }),
  ],
  nativeRecord: [
    [67, ...u32(1), 0, 119, 1, 109, 119, 1, 114, 119, 1, 97, 97, 7],
    new NativeRecord('m', 'r', [['a', 7]]),
  ],
  compressed: [
    [80, ...u32(inner.length), ...deflateSync(Buffer.from(inner))],
    [104, 105],
  ],
}

for (const [name, [bytes, term]] of Object.entries(written)) {
  test(`${name} is read as what it is, and survives being written`, () => {
    const read = decode(Buffer.from([131, ...bytes]))
    assert.ok(sameTerm(read, term), `${format(read)} is not ${format(term)}`)
    assert.ok(sameTerm(decode(encode(read)), term))
  })
}

test('what belongs to one node alone, or to an atom cache that was not agreed on, is refused', () => {
  for (const bytes of [
    [121, 0, 0, 0, 0, 97, 1],
    [82, 0],
    [78, 0, 0, 0, 0],
  ])
    assert.throws(() => decode(Buffer.from([131, ...bytes])), { code: 'bad-term' })
})

test('a million atoms that nobody has heard of take no memory once they are dropped', () => {
  const atoms = (from: number) => {
    const names = Array.from({ length: 50_000 }, (_, i) => `unheard_of_${from + i}`)
    return encode(names.map((one) => new Atom(one)))
  }
  collect()
  const before = process.memoryUsage().heapUsed
  for (let round = 0; round < 20; round++) assert.equal((decode(atoms(round * 50_000)) as Term[]).length, 50_000)
  collect()
  assert.ok(process.memoryUsage().heapUsed < before + 20e6)
})

/** Makes V8 collect all garbage. */
function collect(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}
