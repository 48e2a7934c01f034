import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock, temporaryDirectory } from '#lib/testing'
import { ensurePki, writeKubeconfig } from './index.ts'

test('a home gets an authority and leaves that strict verifiers accept', async (t) => {
  const home = temporaryDirectory(t)
  const pki = await ensurePki(home, { host: 'box' })
  const ca = new X509Certificate(pki.ca.cert)
  assert.equal(ca.ca, true)
  for (const pair of [pki.server, pki.admin, pki.control, pki.node, pki.kubeletClient]) {
    const certificate = new X509Certificate(pair.cert)
    assert.equal(certificate.verify(ca.publicKey), true)
    assert.equal(certificate.checkIssued(ca), true)
    assert.equal(certificate.ca, false)
  }
  assert.equal(new X509Certificate(pki.server.cert).checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(new X509Certificate(pki.server.cert).checkHost('localhost'), 'localhost')
  assert.match(new X509Certificate(pki.admin.cert).subject, /O=system:masters\nCN=kubernetes-admin/)
  assert.match(new X509Certificate(pki.node.cert).subject, /O=system:nodes\nCN=system:node:box/)
  assert.equal(pki.encryptionKey.length, 32)
  for (const name of ['ca.key', 'server.key', 'encryption.key', 'sa.key']) {
    assert.equal(statSync(join(home, 'pki', name)).mode & 0o77, 0, name)
  }
})

test('a second start changes nothing; what expires or is missing is issued again; half an authority is refused', async (t) => {
  const home = temporaryDirectory(t)
  const clock = new FakeClock()
  const first = await ensurePki(home, { clock })
  assert.deepEqual(await ensurePki(home, { clock }), first)
  rmSync(join(home, 'pki/admin.crt'))
  const second = await ensurePki(home, { clock })
  assert.notEqual(second.admin.cert, first.admin.cert)
  assert.equal(second.server.cert, first.server.cert)
  clock.jump(3640 * 86_400_000)
  assert.notEqual((await ensurePki(home, { clock })).server.cert, first.server.cert)
  rmSync(join(home, 'pki/ca.key'))
  await assert.rejects(ensurePki(home, { clock }), { code: 'pki-damaged' })
})

test('the kubeconfig carries everything and is private', async (t) => {
  const home = temporaryDirectory(t)
  const pki = await ensurePki(home)
  const path = writeKubeconfig(home, pki, 'https://127.0.0.1:6443')
  assert.equal(path, join(home, 'kubeconfig'))
  assert.equal(statSync(path).mode & 0o77, 0)
  const config = JSON.parse(readFileSync(path, 'utf8'))
  assert.equal(config.clusters[0].cluster.server, 'https://127.0.0.1:6443')
  assert.equal(Buffer.from(config.users[0].user['client-key-data'], 'base64').toString(), pki.admin.key)
})
