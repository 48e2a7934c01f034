import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { configMaps, testApi } from '../testing.ts'
import { decodeProtobuf } from './index.ts'

const golden = new URL('./golden/', import.meta.url)
const type = 'application/vnd.kubernetes.protobuf'

function field(number: number, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body)
  assert.ok(bytes.length < 128 * 128)
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]
  return Buffer.concat([Buffer.of(number * 8 + 2, ...length), bytes])
}

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const meta = Buffer.concat([field(1, apiVersion), field(2, kind)])
  return Buffer.concat([Buffer.from('k8s\0'), field(1, meta), field(2, raw)])
}

test("Kubernetes' own fixtures decode into their JSON", () => {
  const files = readdirSync(golden).filter((name) => name.endsWith('.pb'))
  assert.ok(files.length > 0)
  for (const name of files) {
    const json = JSON.parse(readFileSync(new URL(name.replace('.pb', '.json'), golden), 'utf8'))
    assert.deepEqual(decodeProtobuf(readFileSync(new URL(name, golden))), json, name)
  }
})

test('an object is created and deleted with protobuf bodies', async (t) => {
  const api = await testApi(t)
  const data = Buffer.concat([field(1, 'colour'), field(2, 'red <&> blue')])
  const map = envelope('v1', 'ConfigMap', Buffer.concat([field(1, field(1, 'palette')), field(2, data)]))
  const created = await api.send('POST', configMaps, map, { type })
  assert.equal(created.code, 201, created.text)
  assert.deepEqual(created.body.data, { colour: 'red <&> blue' })
  assert.equal(created.headers['content-type'], 'application/json')

  const other = envelope('v1', 'DeleteOptions', field(2, field(1, 'another-uid')))
  assert.equal((await api.send('DELETE', `${configMaps}/palette`, other, { type })).code, 409)
  const own = envelope('v1', 'DeleteOptions', field(2, field(1, created.body.metadata.uid)))
  assert.equal((await api.send('DELETE', `${configMaps}/palette`, own, { type })).code, 200)
})

test('bytes that are no protobuf are a bad request', async (t) => {
  const api = await testApi(t)
  const secret = readFileSync(new URL('core.v1.Secret.pb', golden))
  const bodies = [
    Buffer.from('{"kind":"ConfigMap"}'),
    Buffer.from('k8s\0'),
    envelope('v1', 'Unheard', Buffer.alloc(0)),
    envelope('v1', 'ConfigMap', Buffer.of(0xff, 0xff, 0xff)),
    envelope('v1', 'ConfigMap', Buffer.of(0x0a, 0x7f)),
    envelope('v1', 'ConfigMap', field(1, field(1, Buffer.of(0xc3, 0x28)))),
    secret.subarray(0, secret.length - 7),
    secret,
  ]
  for (const body of bodies) {
    const answer = await api.send('POST', configMaps, body, { type })
    assert.equal(answer.code, 400, answer.text)
    assert.equal(answer.body.kind, 'Status')
  }
})

test('keys of maps are data, whatever they are called', () => {
  const data = Buffer.concat([field(1, '__proto__'), field(2, 'x')])
  const map = decodeProtobuf(envelope('v1', 'ConfigMap', field(2, data)))
  assert.deepEqual(Object.keys(map['data']), ['__proto__'])
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
})

test('schemas that nest without end are refused', () => {
  let schema: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 2000; depth++) schema = nest(schema)
  const crd = field(2, field(7, Buffer.concat([field(1, 'v1'), field(4, field(1, schema))])))
  assert.throws(() => decodeProtobuf(envelope('apiextensions.k8s.io/v1', 'CustomResourceDefinition', crd)), /depth/)
})

/** JSONSchemaProps.not = 28, whose tag takes two bytes. */
function nest(schema: Buffer): Buffer {
  const length = schema.length < 128 ? [schema.length] : [(schema.length & 127) | 128, schema.length >> 7]
  return Buffer.concat([Buffer.of(0xe2, 0x01, ...length), schema])
}
