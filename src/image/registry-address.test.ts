import assert from 'node:assert/strict'
import { test } from 'node:test'
import { registryAddress, registryCredentials } from './index.ts'

test('an address says where a registry answers and what references begin with', () => {
  assert.deepEqual(registryAddress('registry.example.com/team'), {
    url: 'https://registry.example.com',
    host: 'registry.example.com',
    path: 'team/',
  })
  assert.deepEqual(registryAddress('127.0.0.1:5000'), {
    url: 'http://127.0.0.1:5000',
    host: '127.0.0.1:5000',
    path: '',
  })
  assert.equal(registryAddress('localhost:5000').url, 'http://localhost:5000')
  assert.equal(registryAddress('http://10.0.0.5:5000').url, 'http://10.0.0.5:5000')
  for (const wrong of ['', 'ftp://x', 'user:secret@host', 'host/UPPER', 'host:port', 'a b', 'localhost.evil:x'])
    assert.throws(() => registryAddress(wrong), { code: 'bad-registry' }, wrong)
})

test('credentials are read as Docker writes them', () => {
  const auth = Buffer.from('u:p:w').toString('base64')
  const wanted = { username: 'u', password: 'p:w' }
  assert.deepEqual(registryCredentials(JSON.stringify({ auths: { 'r.io': { auth } } }), 'r.io'), wanted)
  assert.deepEqual(registryCredentials(JSON.stringify({ auths: { 'https://r.io/v1/': wanted } }), 'r.io'), wanted)
  assert.equal(registryCredentials(JSON.stringify({ auths: { 'other.io': { auth } } }), 'r.io'), undefined)
})

test('credentials that cannot be used are refused without being quoted', () => {
  const kept = JSON.stringify({ auths: { 'r.io': {} }, credsStore: 'desktop' })
  assert.throws(() => registryCredentials(kept, 'r.io'), { code: 'bad-registry-auth', message: /credential helper/ })
  for (const text of ['hunter2', '"hunter2"', '{"auths":{"r.io":{"auth":"hunter2"}}}']) {
    assert.throws(
      () => registryCredentials(text, 'r.io'),
      (error: any) => error.code === 'bad-registry-auth' && !error.message.includes('hunter2'),
    )
  }
})
