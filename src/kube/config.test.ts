import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { inClusterConfig, loadKubeConfig } from './index.ts'

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: here, user: admin, namespace: shop}}
- {name: two, context: {cluster: here, user: plugin}}
clusters:
- name: here
  cluster: {server: 'https://127.0.0.1:6443/', certificate-authority: ca.crt}
users:
- name: admin
  user:
    client-certificate-data: ${Buffer.from('CERT').toString('base64')}
    client-key-data: ${Buffer.from('KEY').toString('base64')}
- name: plugin
  user: {exec: {command: aws}}
`

test('a kubeconfig gives server, certificates from files and inline, and the namespace', (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'config')
  writeFileSync(path, kubeconfig)
  writeFileSync(join(directory, 'ca.crt'), 'CA')
  assert.deepEqual(loadKubeConfig({ path }), {
    server: 'https://127.0.0.1:6443',
    ca: 'CA',
    cert: 'CERT',
    key: 'KEY',
    namespace: 'shop',
  })
})

test('what cannot be used is named', (t) => {
  const path = join(temporaryDirectory(t), 'missing')
  assert.throws(() => loadKubeConfig({ path }), /cannot read .*missing/)
  assert.throws(() => loadKubeConfig({ text: 'just text' }), /not a kubeconfig/)
  assert.throws(() => loadKubeConfig({ text: kubeconfig, context: 'three' }), { hint: 'it has: one, two' })
  assert.throws(() => loadKubeConfig({ text: kubeconfig, context: 'two' }), /plug-in/)
})

test('a pod reaches its cluster with its service account', (t) => {
  const directory = temporaryDirectory(t)
  for (const name of ['ca.crt', 'token', 'namespace']) writeFileSync(join(directory, name), `${name}\n`)
  const config = inClusterConfig({ host: 'fd00::1', port: 443, directory })
  assert.equal(config.server, 'https://[fd00::1]:443')
  assert.equal(config.namespace, 'namespace')
  assert.equal(config.tokenFile, join(directory, 'token'))
})
