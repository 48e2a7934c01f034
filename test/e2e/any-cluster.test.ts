import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '#lib/testing'
import { newHome } from './harness.ts'

/** As much of a registry as `cuddle up` asks for. */
async function registry(t: TestContext, wanted?: string): Promise<string> {
  const server = createServer(({ headers }, response) => {
    if (wanted === undefined || headers.authorization === wanted) response.end('{}')
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('what cannot work is said before anything is changed', async (t) => {
  const cluster = await newHome(t)
  const home = await newHome(t)
  const address = await registry(t)
  assert.equal((await cluster.up()).code, 0)
  const kubeconfig = join(cluster.home, 'kubeconfig')
  const on = ['--kubeconfig', kubeconfig]
  const refused = async (args: string[], message: RegExp) => {
    const result = await home.up(...args)
    assert.notEqual(result.code, 0)
    assert.match(result.stderr, message)
  }
  await refused(['--kubeconfig', 'nowhere'], /there is no file .*nowhere/)
  await refused(on, /images have to go somewhere the cluster can pull from[\s\S]*--registry HOST:PORT/)
  await refused([...on, '--registry', 'not a registry'], /is not the address of a registry/)
  await refused([...on, '--registry', '127.0.0.1:1'], /the registry at http:\/\/127\.0\.0\.1:1 does not answer/)
  await refused([...on, '--registry', address, '--context', 'other'], /has no context named "other"/)
  await refused(['--registry', address], /--kubeconfig FILE, which is missing/)

  const config = JSON.parse(readFileSync(kubeconfig, 'utf8'))
  const variant = (name: string, change: (config: any) => void) => {
    const other = structuredClone(config)
    change(other)
    writeFileSync(join(home.directory, name), JSON.stringify(other))
    return ['--kubeconfig', name, '--registry', address]
  }
  const away = variant('away', ({ clusters }) => (clusters[0].cluster.server = 'https://127.0.0.1:1'))
  await refused(away, /the Kubernetes API at https:\/\/127\.0\.0\.1:1 does not answer/)
  const nobody = variant('nobody', ({ users }) => (users[0].user = { token: 'wrong' }))
  await refused(nobody, /does not accept the credentials/)
  const token = await cluster.kubectl('create', 'serviceaccount', 'guest')
  if (token.code === 0) {
    const account = '/api/v1/namespaces/default/serviceaccounts/guest/token'
    const request = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} })
    writeFileSync(join(cluster.directory, 'request'), request)
    const made = await cluster.kubectl('create', '--raw', account, '-f', join(cluster.directory, 'request'))
    const guest = variant('guest', ({ users }) => (users[0].user = { token: JSON.parse(made.stdout).status.token }))
    await refused(guest, /you may not install the platform on this cluster[\s\S]*cuddle manifest \| kubectl apply/)
  }
  assert.equal((await home.cuddle(['status'])).code, 3)
})

test('a home moves to another cluster with one line, and back', async (t) => {
  const cluster = await newHome(t)
  const home = await newHome(t)
  const address = await registry(t)
  assert.equal((await cluster.up()).code, 0)
  // It is the cluster that is wanted of it; its own platform would be a second one there.
  assert.equal((await home.up()).code, 0)
  const repository = await home.app('hello', 'procfile-hello')
  const pushed = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(pushed.code, 0, pushed.stderr)
  assert.equal((await home.get('hello')).status, 200)

  const on = ['--kubeconfig', join(cluster.home, 'kubeconfig'), '--registry', address]
  const running = await home.up(...on)
  assert.match(running.stderr, /up already, with other settings[\s\S]*cuddle down/)
  assert.equal((await home.cuddle(['down'])).code, 0)
  const moved = await home.up(...on)
  assert.equal(moved.code, 0, moved.stderr)
  assert.deepEqual(await home.json(['apps']), [])
  assert.equal((await home.cuddle(['create', 'other'])).code, 0)
  await until(async () => (await home.json(['releases', '-a', 'other']))[0]?.current)
  assert.match((await home.cuddle(['down'])).stdout, /apps go on running/)

  assert.equal((await home.up('--embedded')).code, 0)
  assert.deepEqual(
    (await home.json(['apps'])).map(({ name }: { name: string }) => name),
    ['hello'],
  )
  await until(async () => (await home.get('hello')).status === 200, { timeoutMs: 30_000 })
  assert.equal((await home.cuddle(['create', 'hello', '--connect'], { cwd: repository })).code, 0)
  const again = await home.git(repository, 'push', 'cuddle', 'main')
  assert.match(again.stderr, /up-to-date/)
})

test('a second platform on the same cluster is refused, and says who is the first', async (t) => {
  const cluster = await newHome(t)
  const [first, second] = [await newHome(t), await newHome(t)]
  const address = await registry(t)
  assert.equal((await cluster.up()).code, 0)
  const on = ['--kubeconfig', join(cluster.home, 'kubeconfig'), '--registry', address]
  assert.equal((await first.up(...on)).code, 0)
  await until(
    async () => {
      const refused = await second.up(...on)
      if (refused.code === 0) await second.cuddle(['down'])
      return refused.stderr.includes(`another platform already`) && refused.stderr.includes(first.home)
    },
    { timeoutMs: 30_000 },
  )
  assert.equal((await first.cuddle(['down'])).code, 0)
  assert.equal((await second.up(...on)).code, 0)
})

test('a registry that asks who it is gets a password, and pods get it too', async (t) => {
  const cluster = await newHome(t)
  const home = await newHome(t)
  const auth = Buffer.from('team:hunter2').toString('base64')
  const address = await registry(t, `Basic ${auth}`)
  assert.equal((await cluster.up()).code, 0)
  const on = ['--kubeconfig', join(cluster.home, 'kubeconfig'), '--registry', address]
  assert.match((await home.up(...on)).stderr, /the registry at .* refuses[\s\S]*user name and the password/)
  const file = join(home.directory, 'docker.json')
  writeFileSync(file, JSON.stringify({ auths: { [address]: { auth }, 'other.io': { auth: 'b3RoZXI6c2VjcmV0' } } }))
  const up = await home.up(...on, '--registry-auth', 'docker.json')
  assert.equal(up.code, 0, up.stderr)
  assert.equal((await home.cuddle(['create', 'shop'])).code, 0)
  const secret = await cluster.kubectl('-n', 'shop', 'get', 'secret', 'shop-registry', '-o', 'json')
  const { type, data } = JSON.parse(secret.stdout)
  assert.equal(type, 'kubernetes.io/dockerconfigjson')
  const kept = JSON.parse(Buffer.from(data['.dockerconfigjson'], 'base64').toString())
  assert.deepEqual(kept, { auths: { [address]: { auth } } }, 'what is said of other registries stays where it was')
  for (const path of ['config.json', 'log/control.log', 'log/node.log', 'platform/kubeconfig'])
    assert.doesNotMatch(readFileSync(join(home.home, path), 'utf8'), /hunter2|dGVhbT/, path)
})
