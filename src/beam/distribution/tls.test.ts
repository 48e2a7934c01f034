import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { startErl } from '../testing/erl-node.ts'
import { missing } from '../testing/missing.ts'
import { connect } from './connect.ts'

const skip = missing('erl') || missing('openssl') || noSsl()

function noSsl(): string | false {
  const probe = 'io:format("~s", [code:lib_dir(ssl)]), halt().'
  const path = execFileSync('erl', ['-noinput', '-boot', 'no_dot_erlang', '-eval', probe]).toString()
  return existsSync(path) ? false : 'this OTP has no ssl'
}

test('TLS distribution wants certificates of both sides', { skip }, async (t) => {
  const dir = temporaryDirectory(t)
  const make = (name: string, ...more: string[]) => {
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`]
    execFileSync('openssl', [...args, '-subj', `/CN=${name}`, ...more], { cwd: dir, stdio: 'pipe' })
  }
  make('ca')
  make('app', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1')
  const file = (name: string) => join(dir, name)
  const both = `{certfile,"${file('app.pem')}"},{keyfile,"${file('app.key')}"},{cacertfile,"${file('ca.pem')}"}`
  const server = `{server,[${both},{verify,verify_peer},{fail_if_no_peer_cert,true}]}`
  writeFileSync(file('ssl.conf'), `[${server},{client,[${both},{verify,verify_peer}]}].`)
  const args = ['-proto_dist', 'inet_tls', '-ssl_dist_optfile', file('ssl.conf')]
  const { name, port, cookie } = await startErl(t, { args })

  const [ca, cert, key] = ['ca.pem', 'app.pem', 'app.key'].map((item) => readFileSync(file(item)))
  const target = { name, port, cookie, ourName: 'rem-tls@127.0.0.1' }
  const tls = { ca, cert, key }
  const node = await connect({ ...target, tls })
  const size = 3 * 1024 * 1024
  const big = await node.rpc('binary', 'copy', [Buffer.from([1]), size])
  assert.equal((big as Uint8Array).length, size)
  node.close()
  await assert.rejects(connect({ ...target, tls: { ca } }), { name: 'CuddleError' })
  await assert.rejects(connect({ ...target, tls: { cert, key } }), { code: 'node-unreachable' })
  await assert.rejects(connect(target), { code: 'handshake-failed' })
})
