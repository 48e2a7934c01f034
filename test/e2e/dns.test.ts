import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { newHome } from './harness.ts'

const missing = (await exec('sh', ['-c', 'command -v mix'], { env: { PATH: process.env.PATH } })).code !== 0

/** What Phoenix' dns_cluster does every 5 s: who is behind the name, each as a node that one can connect to. */
const dnsCluster = `
query = String.to_charlist(System.get_env("DNS_CLUSTER_QUERY"))
{:ok, {:hostent, _, _, :inet, 4, ips}} = :inet_res.getbyname(query, :a)
[base, _] = String.split(to_string(node()), "@")
Enum.count(ips, fn ip -> Node.connect(:"#{base}@#{:inet.ntoa(ip)}") end)`

test('pods find services, and BEAM nodes each other, by name', { skip: missing && 'needs elixir' }, async (t) => {
  const home = await newHome(t)
  assert.equal((await home.up()).code, 0)
  const repository = await home.app('tally', 'elixir-tally')
  const push = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(push.code, 0, push.stderr)
  const rpc = async (code: string) => {
    const result = await home.cuddle(['rpc', '-a', 'tally', '--pod', 'tally-web-0', code])
    assert.equal(result.code, 0, result.stderr)
    return result.stdout.trim()
  }
  const { port } = JSON.parse(readFileSync(join(home.home, 'node', 'dns.json'), 'utf8'))
  const inPod = (...command: string[]) => home.kubectl('-n', 'tally', 'exec', 'tally-web-0', '--', ...command)

  await t.test('the query that dns_cluster and libcluster poll names every node', async () => {
    await until(async () => (await rpc(dnsCluster)) === '3')
    assert.equal((await home.cuddle(['ps:scale', '-a', 'tally', 'web=4'])).code, 0)
    await until(async () => (await rpc(dnsCluster)) === '4')
  })

  await t.test('libc resolves names of the own namespace, and of pods of a StatefulSet', async (t) => {
    if (port !== 53) return t.skip('needs the right to listen on port 53')
    const own = await inPod('getent', 'ahostsv4', 'tally-web')
    const { stdout } = await home.kubectl(
      '-n',
      'tally',
      'get',
      'service',
      'tally-web',
      '-o',
      'jsonpath={.spec.clusterIP}',
    )
    assert.match(
      own.stdout,
      new RegExp(`^${stdout.replaceAll('.', '\\.')} .*tally-web\\.tally\\.svc\\.cluster\\.local`),
    )
    const answer = await inPod('curl', '-sS', 'http://tally-web.tally.svc.cluster.local/count/pears')
    assert.match(answer.stdout, /^pears is 1/)
    const pod = await inPod('getent', 'hosts', 'tally-web-1.tally-nodes')
    assert.match(pod.stdout, /^127\.64\.\d+\.\d+ /)
    assert.notEqual((await inPod('getent', 'hosts', 'nobody.tally.svc.cluster.local')).code, 0)
  })

  await t.test('names are answered for pods that outlived the node process', async () => {
    process.kill(home.pid('node'), 'SIGKILL')
    await until(async () => {
      const said = await home.cuddle(['rpc', '-a', 'tally', '--pod', 'tally-web-0', dnsCluster])
      return said.code === 0 && said.stdout.trim() === '4'
    })
  })
})
