import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { Random } from '../testing/random.ts'
import { randomTerm } from '../testing/terms.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { DecodeError } from './errors.ts'
import { format } from './format.ts'
import { sameTerm } from './map.ts'
import type { Term } from './terms.ts'

/** A term, or a refusal; anything else fails the test. */
function attempt(bytes: Uint8Array): Term | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    assert.ok(error instanceof DecodeError, `${Buffer.from(bytes).toString('hex').slice(0, 200)}: ${error}`)
    return undefined
  }
}

const u32 = (value: number) => Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255])
const hostile = (...parts: (number | Uint8Array)[]) =>
  Buffer.concat([Buffer.from([131]), ...parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part))])

test('random bytes are refused or are terms', () => {
  const random = new Random(1)
  for (let i = 0; i < 20_000; i++) attempt(hostile(random.bytes(1 + random.below(60))))
})

test('what is cut off anywhere is refused', () => {
  const random = new Random(2)
  for (let i = 0; i < 150; i++) {
    const bytes = encode(randomTerm(random, 3))
    const step = Math.ceil(bytes.length / 200)
    for (let end = 0; end < bytes.length; end += step) assert.equal(attempt(bytes.subarray(0, end)), undefined)
    assert.equal(attempt(Buffer.concat([bytes, Buffer.from([106])])), undefined)
  }
})

test('what a mutation makes is refused, or a term that can be written and printed', () => {
  const random = new Random(3)
  for (let i = 0; i < 10_000; i++) {
    const bytes = encode(randomTerm(random, 3))
    for (let n = 0; n <= random.below(4); n++) bytes[1 + random.below(bytes.length - 1)] = random.below(256)
    const term = attempt(bytes)
    if (term === undefined) continue
    assert.ok(sameTerm(decode(encode(term)), term), format(term))
  }
})

test('announced sizes are believed only as far as there are bytes', () => {
  const huge = u32(0xffffffff)
  const cases = [
    hostile(108, huge),
    hostile(105, huge),
    hostile(116, huge),
    hostile(109, huge),
    hostile(77, huge, 3),
    hostile(111, huge, 0),
    hostile(111, u32(2 ** 20), 0, Buffer.alloc(2 ** 20, 255)),
    hostile(67, huge, 0),
    hostile(112, huge, 0, Buffer.alloc(16), u32(0), huge),
    hostile(118, 0xff, 0xff),
    hostile(90, 0xff, 0xff),
    hostile(80, huge, deflateSync(Buffer.alloc(10))),
  ]
  for (const bytes of cases) assert.equal(attempt(bytes), undefined)
})

test('nesting, number of terms and compression are bounded', () => {
  const deep = (levels: number) => hostile(Buffer.alloc(levels * 2, Buffer.from([104, 1])), 106)
  assert.ok(attempt(deep(1000)))
  assert.equal(attempt(deep(1_000_000)), undefined)
  assert.equal(attempt(hostile(108, u32(5_000_000), Buffer.alloc(5_000_001, 106))), undefined)
  const emptyMaps = Buffer.alloc(5 * 500_000, Buffer.from([116, 0, 0, 0, 0]))
  assert.equal(attempt(hostile(108, u32(500_000), emptyMaps, 106)), undefined)
  const chain = Buffer.concat([Buffer.from([108]), u32(1), Buffer.from([97, 1])])
  const list = attempt(hostile(Buffer.alloc(chain.length * 50_000, chain), 106))
  assert.equal((list as Term[]).length, 50_000)

  const bomb = deflateSync(hostile(109, u32(200 * 2 ** 20), Buffer.alloc(200 * 2 ** 20)).subarray(1))
  assert.equal(attempt(hostile(80, u32(200 * 2 ** 20 + 5), bomb)), undefined)
  assert.equal(attempt(hostile(80, u32(100), bomb)), undefined)
  const nested = hostile(80, u32(10), deflateSync(Buffer.from([80, 0, 0, 0, 1])))
  assert.equal(attempt(nested), undefined)
})

test('maps nested in keys cost no more than they are long', () => {
  const inner = (term: Buffer) => Buffer.concat([Buffer.from([116]), u32(1), term, Buffer.from([97, 1])])
  let bytes: Buffer = Buffer.concat([Buffer.from([109]), u32(100_000), Buffer.alloc(100_000)])
  for (let level = 0; level < 900; level++) bytes = inner(bytes)
  assert.ok(attempt(hostile(bytes)))
})

test('a key that is there twice is refused', () => {
  assert.equal(attempt(hostile(116, u32(2), 97, 1, 97, 2, 97, 1, 97, 3)), undefined)
  assert.equal(attempt(hostile(116, u32(2), 97, 1, 97, 2, 98, u32(1), 97, 3)), undefined)
})
