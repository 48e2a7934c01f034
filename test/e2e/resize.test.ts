import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { app, cell, missing, settled, startHerd } from './herd.ts'

test('ps:resize: pods of a hot process are resized where they run, others come anew', {
  skip: missing && 'needs elixir',
  timeout: 300_000,
}, async (t) => {
  const herd = await startHerd(t)
  const { home } = herd
  const pods = async () => {
    const { items } = JSON.parse((await home.kubectl('-n', app, 'get', 'pods', '-o', 'json')).stdout)
    const staying = items.filter(({ metadata }: any) => !metadata.deletionTimestamp)
    return staying.map(({ metadata, status }: any) => {
      const [{ resources, restartCount }] = status.containerStatuses
      return { uid: metadata.uid, memory: resources.limits.memory, cpu: resources.requests.cpu, restartCount }
    })
  }
  const first = await pods()
  const resized = (cpu: string, memory: string) => first.map((pod: object) => ({ ...pod, cpu, memory }))
  await herd.withNodes(async (nodes) => {
    for (const node of nodes.values()) await node.rpc('Elixir.Herd.Cell', 'add', [1])
  })

  await t.test('a release that restarts nobody', async () => {
    const resize = await home.cuddle(['ps:resize', 'web', 'cpu=300m', 'memory=384Mi', '-a', app])
    assert.equal(resize.code, 0, resize.stderr)
    assert.match(resize.stderr, /herd v3: Resize web to 300m CPU, 384Mi/)
    assert.match(resize.stderr, /web is resized where it runs: 300m CPU, 384Mi, until now 100m CPU, 256Mi/)
    assert.deepEqual(await pods(), resized('300m', '384Mi'))
    assert.equal((await herd.sum()).sum, 3)
    assert.deepEqual(await home.json(['ps:resize', '-a', app]), {
      web: { cpu: '300m', memory: '384Mi', byHand: true },
    })
    assert.match((await home.cuddle(['ps:resize', '-a', app])).stdout, /web +300m +384Mi +ps:resize/)
  })

  await t.test('a push keeps it and is hot, a rollback takes it back, and who starts later has it', async () => {
    const push = await herd.push({ 'lib/herd/cell.ex': cell('v2', 'integer') })
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /web keeps the size that ps:resize gave it: 300m CPU, 384Mi/)
    assert.deepEqual([await pods(), await herd.versions()], [resized('300m', '384Mi'), ['v2', 'v2', 'v2']])
    const back = await home.cuddle(['rollback', 'v2', '-a', app])
    assert.equal(back.code, 0, back.stderr)
    assert.deepEqual([await pods(), await herd.versions()], [resized('100m', '256Mi'), ['v1', 'v1', 'v1']])
    assert.equal((await herd.sum()).sum, 3)
  })

  await t.test('a size that the cluster refuses fails the release, and the pods keep theirs', async () => {
    const limits = { limits: [{ type: 'Container', max: { memory: '300Mi' } }] }
    const file = join(home.directory, 'limits.json')
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'small' }, spec: limits }),
    )
    await home.kubectl('-n', app, 'create', '-f', file)
    const resize = await home.cuddle(['ps:resize', 'web', 'memory=512Mi', '-a', app])
    assert.notEqual(resize.code, 0, resize.stderr)
    assert.match(resize.stderr, /pods of web are refused: .*maximum memory usage per Container is 300Mi/)
    assert.deepEqual(await settled(herd), ['v1', 'v1', 'v1'])
    assert.deepEqual([await pods(), (await herd.sum()).sum], [resized('100m', '256Mi'), 3])
    await home.kubectl('-n', app, 'delete', 'limitrange', 'small')
  })

  await t.test('bad input changes nothing', async () => {
    const before = await home.json(['releases', '-a', app])
    const refusals: [string[], number, RegExp][] = [
      [['web'], 64, /no size is given for web/],
      [['web', 'larg'], 64, /"larg" is no size/],
      [['web', 'cpu=many'], 64, /cpu: "many" is no CPU amount/],
      [['web', 'memory=512m'], 64, /less than 8Mi.*|write 512Mi/],
      [['cpu=1'], 64, /"cpu=1" is no process/],
      [['web', 'large', '--reset'], 64, /--reset takes a process, and no size/],
      [['nope', 'large'], 1, /no process "nope"/],
    ]
    for (const [words, code, message] of refusals) {
      const said = await home.cuddle(['ps:resize', ...words, '-a', app])
      assert.equal(said.code, code, words.join(' '))
      assert.match(said.stderr, message)
    }
    const same = await home.cuddle(['ps:resize', 'web', '--reset', '-a', app])
    assert.match(same.stderr, /nothing changed/)
    assert.deepEqual(
      (await home.json(['releases', '-a', app])).map(({ version }: any) => version),
      before.map(({ version }: any) => version),
    )
  })

  await t.test('a Deployment gets new pods of that size, and no request fails', async () => {
    const repository = await home.app('hello', 'node-hello')
    assert.equal((await home.git(repository, 'push', 'cuddle', 'main')).code, 0)
    const resize = await home.cuddle(['ps:resize', 'web', 'medium', '-a', 'hello'])
    assert.equal(resize.code, 0, resize.stderr)
    const size = () =>
      home.kubectl(
        '-n',
        'hello',
        'get',
        'pods',
        '-o',
        'jsonpath={.items[*].spec.containers[0].resources.limits.memory}',
      )
    await until(async () => (await size()).stdout === '512Mi')
    assert.equal((await home.get('hello')).status, 200)
    const reset = await home.cuddle(['ps:resize', 'web', '--reset', '-a', 'hello'])
    assert.equal(reset.code, 0, reset.stderr)
    assert.deepEqual(await home.json(['ps:resize', '-a', 'hello']), {
      web: { cpu: '100m', memory: '256Mi', byHand: false },
    })
  })
})
