import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Atom,
  atom,
  BitString,
  binary,
  bool,
  charlist,
  decode,
  EncodeError,
  elements,
  encode,
  exported,
  Float,
  float,
  format,
  isAtom,
  listOf,
  map,
  numberOf,
  property,
  sameTerm,
  structName,
  type Term,
  TermMap,
  tagged,
  textOf,
  tuple,
} from './index.ts'

test('a reply is taken apart', () => {
  const reply = decode(encode(tuple(atom('ok'), map({ name: binary('zoë'), pids: 3, up: bool(true) }))))
  const [value] = tagged(reply, 'ok') ?? []
  assert.ok(value instanceof TermMap)
  assert.equal(textOf(value.field('name')), 'zoë')
  assert.equal(numberOf(value.field('pids')), 3)
  assert.ok(isAtom(value.field('up'), 'true'))
  assert.equal(value.field('missing'), undefined)
  assert.equal(tagged(reply, 'error'), undefined)
  assert.equal(tagged(reply, 'ok', 3), undefined)
  assert.equal(elements(reply, 2)?.length, 2)
})

test('what only looks alike in JavaScript stays apart', () => {
  assert.deepEqual(decode(encode(float(1))), new Float(1))
  assert.equal(decode(encode(1)), 1)
  assert.equal(decode(encode(2n ** 53n)), 2n ** 53n)
  assert.equal(decode(encode(5n)), 5)
  assert.deepEqual(decode(encode(atom('nil'))), new Atom('nil'))
  assert.deepEqual(decode(encode([])), [])
  assert.deepEqual(decode(encode(charlist('hé'))), [104, 233])
  assert.deepEqual(decode(encode(binary('hé'))), Buffer.from('hé'))
})

test('map keys are terms and compare by value', () => {
  const key = tuple(atom('a'), [1, 2, binary('x')])
  const term = new TermMap([
    [key, 1],
    [1, 2],
    [float(1), 3],
    [map({ a: 1, b: 2 }), 4],
  ])
  const back = decode(encode(term)) as TermMap
  assert.equal(back.get(tuple(atom('a'), [1, 2, binary('x')])), 1)
  assert.equal(back.get(1), 2)
  assert.equal(back.get(1n), 2)
  assert.equal(back.get(float(1)), 3)
  assert.equal(back.get(map({ b: 2, a: 1 })), 4)
  assert.equal(back.get(binary('1')), undefined)
  assert.ok(sameTerm(map({ a: 1, b: 2 }), map({ b: 2, a: 1 })))
  assert.ok(!sameTerm(map({ a: 1 }), map({ a: float(1) })))
  assert.equal(map({ __proto__: 1 }).size, 0)
  assert.equal(new TermMap([[atom('__proto__'), 1]]).field('__proto__'), 1)
})

test('what is no term is refused with the way out', () => {
  const bad = (value: unknown, message: RegExp) =>
    assert.throws(
      () => encode(value as Term),
      (error) => error instanceof EncodeError && message.test(error.message),
    )
  bad('text', /JavaScript string/)
  bad(true, /JavaScript boolean/)
  bad(null, /JavaScript null/)
  bad(undefined, /JavaScript undefined/)
  bad({ a: 1 }, /JavaScript Object/)
  bad(1.5, /no integer/)
  bad(2 ** 60, /no exact integer/)
  bad(float(Number.NaN), /no Erlang float/)
  bad(atom('x'.repeat(256)), /at most 255/)
  bad(new BitString(Buffer.alloc(0), 3), /bitstring/)
  bad(exported('m', 'f', 256), /arity/)
  const cycle: Term[] = []
  cycle.push(cycle)
  bad(cycle, /nested deeper/)
})

test("Elixir's data is read by its own words", () => {
  const user = map({ __struct__: atom('Elixir.Shop.User'), name: binary('ann') })
  assert.equal(structName(user), 'Shop.User')
  assert.equal(structName(map({})), undefined)
  const options = [tuple(atom('pool_size'), 10), atom('ssl'), tuple(atom('name'), charlist('db'))]
  assert.equal(property(options, 'pool_size'), 10)
  assert.ok(isAtom(property(options, 'ssl'), 'true'))
  assert.equal(textOf(property(options, 'name')), 'db')
  assert.equal(property(options, 'none'), undefined)
  assert.equal(textOf([binary('a'), [98, binary('c')]]), 'abc')
  assert.equal(textOf([binary('a'), atom('b')]), undefined)
  assert.equal(textOf([0xd800]), undefined)
  assert.deepEqual(listOf([1]), [1])
})

test('terms are printed as Erlang writes them, and cut where they are long', () => {
  const term = tuple(
    atom('ok'),
    atom('Elixir.X'),
    binary('é"'),
    Buffer.from([0, 255]),
    charlist('hi'),
    float(1),
    float(1e21),
  )
  assert.equal(format(term), `{ok,'Elixir.X',<<"é\\""/utf8>>,<<0,255>>,"hi",1.0,1.0e21}`)
  assert.ok(
    format(
      Array.from({ length: 10_000 }, (_, i) => i + 1000),
      { limit: 100 },
    ).length < 150,
  )
  assert.ok(format(Buffer.alloc(1e6), { limit: 100 }).length < 300)
})
