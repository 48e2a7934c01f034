import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigMap, Event, Lease, Node, PersistentVolume, PersistentVolumeClaim, Pod } from '#kube'
import { until } from '#lib/testing'
import { condition, main, shell, testCluster } from './testing/cluster.ts'

test('registers its nodes with leases and a share of the machine each', async (t) => {
  const { kube } = await testCluster(t, { nodes: 2, capacity: { cpu: 4, memoryBytes: 2 ** 30 } })
  const nodes = await kube.listAll(Node)
  assert.deepEqual(
    nodes.items.map(({ metadata, status }) => [metadata.name, status?.capacity?.['cpu'], status?.capacity?.['memory']]),
    [
      ['node-0', '2', '512Mi'],
      ['node-1', '2', '512Mi'],
    ],
  )
  assert.equal(nodes.items[1].spec?.podCIDR, '127.65.0.0/16')
  assert.equal(nodes.items[0].status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
  assert.equal((await kube.get(Lease, 'node-1', 'kube-node-lease')).spec?.holderIdentity, 'node-1')
})

test('runs a pod to its end and keeps exit code and log', async (t) => {
  const { run } = await testCluster(t)
  const good = await run('good', { restartPolicy: 'Never', containers: [shell('echo out; echo err >&2; printf tail')] })
  const bad = await run('bad', { restartPolicy: 'Never', containers: [shell('exit 3')] })
  const killed = await run('killed', { restartPolicy: 'Never', containers: [shell('kill -9 $$$$')] })
  const absent = await run('absent', {
    restartPolicy: 'Never',
    containers: [{ name: 'main', image: 'cuddle.local/host', command: ['no-such-program'] }],
  })
  const done = await good.until(({ status }) => status?.phase === 'Succeeded')
  assert.equal(main(done)?.state?.terminated?.reason, 'Completed')
  assert.deepEqual((await good.log()).sort(), ['err', 'out', 'tail'])
  const failed = await bad.until(({ status }) => status?.phase === 'Failed')
  assert.equal(main(failed)?.state?.terminated?.exitCode, 3)
  assert.equal(main(await killed.until(({ status }) => status?.phase === 'Failed'))?.state?.terminated?.exitCode, 137)
  const refused = main(await absent.until(({ status }) => status?.phase === 'Failed'))?.state?.terminated
  assert.equal(refused?.exitCode, 128)
  assert.equal(refused?.reason, 'StartError')
  assert.match(refused?.message ?? '', /no-such-program.*not found/)
})

test('restarts with backoff, counts, and keeps the last state and log', async (t) => {
  const { run } = await testCluster(t)
  const pod = await run('loops', { containers: [shell('echo $$$$; exit 7')] })
  const looping = await pod.until((object) => main(object)?.state?.waiting?.reason === 'CrashLoopBackOff')
  assert.equal(main(looping)?.lastState?.terminated?.exitCode, 7)
  assert.equal(looping.status?.phase, 'Running')
  assert.equal(condition(looping, 'Ready'), 'False')
  await pod.until((object) => (main(object)?.restartCount ?? 0) >= 2)
  // In this order: it may restart once more in between.
  const [previous] = await pod.log({ previous: true })
  const [current] = await pod.logged(1)
  assert.match(previous!, /^\d+$/)
  assert.notEqual(current, previous)
})

test('starts init containers in order, sidecars beside, and the main ones last', async (t) => {
  const { run } = await testCluster(t)
  const pod = await run('order', {
    restartPolicy: 'Never',
    initContainers: [
      shell('echo one >> $CUDDLE_VOLUME_SHARED/log', {
        name: 'first',
        volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
      }),
      shell('echo side >> $CUDDLE_VOLUME_SHARED/log; exec sleep 600', {
        name: 'side',
        restartPolicy: 'Always',
        startupProbe: { exec: { command: ['/bin/sh', '-c', 'grep side $CUDDLE_VOLUME_SHARED/log'] } },
        volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
      }),
    ],
    containers: [shell('cat $CUDDLE_VOLUME_SHARED/log', { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] })],
    volumes: [{ name: 'shared', emptyDir: {} }],
  })
  const done = await pod.until(({ status }) => status?.phase === 'Succeeded')
  assert.deepEqual(await pod.log({ container: 'main' }), ['one', 'side'])
  assert.ok(done.status?.initContainerStatuses?.[1].state?.terminated, 'the sidecar was stopped')
})

test('is ready when the probe says so, and restarts what is not alive', async (t) => {
  const { run, kube } = await testCluster(t)
  const script = `require('http').createServer((q, r) => { r.statusCode = q.url === '/ok' ? 200 : 500; r.end('says ' + q.url) }).listen(process.env.PORT, process.env.HOST)`
  const server = (path: string, name: string) => ({
    name: 'main',
    image: 'cuddle.local/host',
    command: ['node', '-e', script],
    env: [{ name: 'PORT', value: '18080' }],
    ports: [{ name: 'http', containerPort: 18080 }],
    [name]: { httpGet: { path, port: 'http' }, periodSeconds: 1, failureThreshold: 1 },
  })
  const ready = await run('ready', { containers: [server('/ok', 'readinessProbe')] })
  const unready = await run('unready', { containers: [server('/bad', 'readinessProbe')] })
  const dead = await run('dead', { terminationGracePeriodSeconds: 1, containers: [server('/bad', 'livenessProbe')] })
  const serving = await ready.until((pod) => condition(pod, 'Ready') === 'True')
  assert.equal(main(serving)?.ready, true)
  assert.match(serving.status?.podIP ?? '', /^127\.64\.\d+\.\d+$/)
  const complaining = await unready.until((pod) =>
    pod.status?.conditions?.some(({ message }) => message?.includes('statuscode: 500: says /bad')),
  )
  assert.equal(condition(complaining, 'Ready'), 'False')
  await dead.until((pod) => (main(pod)?.restartCount ?? 0) >= 1)
  await until(async () => {
    const { items } = await kube.listAll(Event, { namespace: 'shop' })
    return items.some(({ reason, message }) => reason === 'Unhealthy' && message?.startsWith('Liveness probe failed: '))
  })
})

test('stops with preStop, SIGTERM, grace and SIGKILL, takes leftovers along and confirms the deletion', async (t) => {
  const { run, kube } = await testCluster(t)
  const claim = { name: 'out', namespace: 'shop' }
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } }
  await kube.create(PersistentVolumeClaim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: claim, spec })
  await kube.patch(PersistentVolumeClaim, claim, { status: { phase: 'Bound' } }, { subresource: 'status' })
  const polite = await run('polite', {
    containers: [
      shell('trap "echo bye >> $CUDDLE_VOLUME_OUT/log; exit 0" TERM; echo ready; while :; do sleep 0.05; done', {
        lifecycle: { preStop: { exec: { command: ['/bin/sh', '-c', 'echo hook >> $CUDDLE_VOLUME_OUT/log'] } } },
        volumeMounts: [{ name: 'out', mountPath: '/out' }],
      }),
    ],
    volumes: [{ name: 'out', persistentVolumeClaim: { claimName: 'out' } }],
  })
  const nap = 90_000 + (process.pid % 10_000)
  const stubborn = await run('stubborn', {
    terminationGracePeriodSeconds: 1,
    containers: [shell(`trap "" TERM; setsid sleep ${nap} & echo ready; while :; do sleep 0.05; done`)],
  })
  for (const pod of [polite, stubborn]) await until(async () => (await pod.log())[0] === 'ready')
  await Promise.all(['polite', 'stubborn'].map((name) => kube.delete(Pod, name, 'shop')))
  for (const name of ['polite', 'stubborn']) await until(async () => !(await kube.find(Pod, name, 'shop')))
  // The pattern does not find itself.
  const isThere = `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep [9]${String(nap).slice(1)} '`
  const checker = await run('checker', {
    restartPolicy: 'Never',
    containers: [
      shell(`cat $CUDDLE_VOLUME_OUT/log; ${isThere} || echo none`, {
        volumeMounts: [{ name: 'out', mountPath: '/out' }],
      }),
    ],
    volumes: [{ name: 'out', persistentVolumeClaim: { claimName: 'out' } }],
  })
  await checker.until(({ status }) => status?.phase === 'Succeeded')
  assert.deepEqual(await checker.log(), ['hook', 'bye', 'none'])
})

test('a claim of a volume that was made by hand lies where that says', async (t) => {
  const { run, kube, home } = await testCluster(t)
  const path = join(home, 'by-hand')
  const [name, namespace] = ['data', 'shop']
  const shared = { accessModes: ['ReadWriteOnce'], storageClassName: 'by-hand' }
  const volume = { ...shared, capacity: { storage: '1Mi' }, hostPath: { path, type: 'DirectoryOrCreate' } }
  const claim = { ...shared, resources: { requests: { storage: '1Mi' } }, volumeName: name }
  await kube.create(PersistentVolume, { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name }, spec: volume })
  const metadata = { name, namespace }
  await kube.create(PersistentVolumeClaim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: claim })
  await kube.patch(PersistentVolumeClaim, metadata, { status: { phase: 'Bound' } }, { subresource: 'status' })
  const writer = await run('writer', {
    restartPolicy: 'Never',
    containers: [
      shell('echo here > $CUDDLE_VOLUME_DATA/file', { volumeMounts: [{ name: 'data', mountPath: '/data' }] }),
    ],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
  })
  await writer.until(({ status }) => status?.phase === 'Succeeded')
  assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'here\n')
})

for (const cgroups of [undefined, false] as const) {
  test(`notices that a container ran out of memory ${cgroups === false ? 'by looking' : 'as the machine can'}`, async (t) => {
    const { run } = await testCluster(t, cgroups === false ? { cgroups } : {})
    const pod = await run('greedy', {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'main',
          image: 'cuddle.local/host',
          command: ['node', '-e', 'const kept = []; setInterval(() => kept.push(Buffer.alloc(8e6, 1)), 20)'],
          resources: { limits: { memory: '128Mi' } },
        },
      ],
    })
    const ended = main(await pod.until(({ status }) => status?.phase === 'Failed'))?.state?.terminated
    assert.equal(ended?.reason, 'OOMKilled')
    assert.equal(ended?.exitCode, 137)
  })
}

test('mounts volumes where the spec wants them, and probes in the same view', async (t) => {
  const { run, kube } = await testCluster(t)
  await kube.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'shop' },
    data: { 'app.conf': 'colour=blue' },
  } as any)
  const pod = await run(
    'mounted',
    {
      containers: [
        shell(
          'cat /settings/app.conf; echo; cat /info/labels; echo; echo kept > /data/deep/file; touch /tmp/mine; exec sleep 600',
          {
            readinessProbe: {
              exec: { command: ['/bin/sh', '-c', 'test -e /tmp/mine && cat /data/deep/file'] },
              periodSeconds: 1,
            },
            volumeMounts: [
              { name: 'settings', mountPath: '/settings' },
              { name: 'info', mountPath: '/info' },
              { name: 'data', mountPath: '/data/deep' },
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ),
      ],
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        { name: 'data', emptyDir: {} },
        { name: 'tmp', emptyDir: {} },
      ],
    },
    { labels: { app: 'x' } },
  )
  await pod.until((object) => condition(object, 'Ready') === 'True')
  assert.deepEqual(await pod.logged(2), ['colour=blue', 'app="x"'])
  assert.equal(existsSync('/data/deep'), false)
})

test('waits for what a pod refers to, and says what is missing', async (t) => {
  const { run, kube } = await testCluster(t)
  const pod = await run('waits', {
    containers: [shell('echo $COLOUR; exec sleep 600', { envFrom: [{ configMapRef: { name: 'late' } }] })],
  })
  const waiting = main(
    await pod.until((object) => main(object)?.state?.waiting?.reason === 'CreateContainerConfigError'),
  )
  assert.equal(waiting?.state?.waiting?.message, 'configmap "late" not found')
  const late = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'late', namespace: 'shop' },
    data: { COLOUR: 'red' },
  }
  await kube.create(ConfigMap, late as any)
  await pod.until((object) => main(object)?.state?.running)
  await until(async () => (await pod.log())[0] === 'red')
})
