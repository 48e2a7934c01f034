import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErlPort } from '../testing/erl-port.ts'
import { missing } from '../testing/missing.ts'
import { Random } from '../testing/random.ts'
import { randomData, randomTerm } from '../testing/terms.ts'
import { decode, encode, Fun, format, NativeRecord, sameTerm, type Term } from './index.ts'

const skip = missing('erl')
const rounds = 600

test('terms survive the way through a real erl, plain and compressed', { skip }, async (t) => {
  const erl = new ErlPort(t)
  const random = new Random(42)
  const terms = Array.from({ length: rounds }, () => randomTerm(random))
  await Promise.all(
    terms.map(async (term, i) => {
      const returned = decode(await erl.ask(i % 3 === 0 ? 'z' : 'd', encode(term)))
      assert.ok(sameTerm(returned, term), `${format(term)} came back as ${format(returned)}`)
    }),
  )
})

test('erl reads what is printed as the same term', { skip }, async (t) => {
  const erl = new ErlPort(t)
  const random = new Random(7)
  const terms = Array.from({ length: rounds }, () => randomData(random, 3))
  await Promise.all(
    terms.map(async (term) => {
      const printed = format(term, { limit: 1e6 })
      const value = decode(await erl.ask('p', Buffer.from(printed)))
      assert.ok(sameTerm(value, term), `${printed} reads as ${format(value)}`)
    }),
  )
})

const odd = `[
  self(), make_ref(), hd(erlang:ports()), fun lists:map/2, fun(X) -> X end,
  #{1 => int, 1.0 => float, {a, [b]} => tuple, #{} => map, [] => nil, <<1:3>> => bits},
  lists:seq(1, 70000), lists:duplicate(70000, 7), list_to_tuple(lists:seq(1, 256)),
  1 bsl 3000, -(1 bsl 3000), 1 bsl 64, -(1 bsl 63), 1.5e300, -0.0, [a | b], [1, 2 | c], <<>>, <<0:1>>, <<255, 5:7>>,
  list_to_atom(lists:duplicate(255, 16#1F49A)), '', "text", [[]], {}, #{}, binary:copy(<<7>>, 100000)
]`

test('what erl makes itself is read and given back as the same', { skip }, async (t) => {
  const erl = new ErlPort(t)
  const bytes = await erl.ask('p', Buffer.from(odd))
  const terms = decode(bytes) as Term[]
  assert.equal(terms.length, 27, format(terms))
  assert.ok(terms[4] instanceof Fun)
  for (const term of terms) {
    const mine = encode(term)
    assert.ok(await erl.same(mine, encode(decode(await erl.ask('d', mine)))), format(term))
  }
  assert.ok(await erl.same(bytes, encode(terms)))
})

test('the records of OTP 29 are read as OTP writes them', () => {
  const wire = Buffer.from(
    '834300000002007702' + '6e72' + '77057374617465' + '770161' + '770162' + '6107' + '6102',
    'hex',
  )
  const record = decode(wire)
  assert.deepEqual(
    record,
    new NativeRecord('nr', 'state', [
      ['a', 7],
      ['b', 2],
    ]),
  )
  assert.deepEqual(encode(record), wire)
  assert.equal(format(record), '#nr:state{a=7,b=2}')
})
