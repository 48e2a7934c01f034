import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { configMap, configMaps, type TestApi, testApi } from '../testing.ts'

const core = '/api/v1/namespaces/default'
const pod = (name: string, resources: object = {}, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'img:1', resources }], ...more },
})
const range = (limits: object[]) => ({
  apiVersion: 'v1',
  kind: 'LimitRange',
  metadata: { name: 'range' },
  spec: { limits },
})
const quota = (name: string, hard: object, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name },
  spec: { hard, ...more },
})

async function created({ send }: TestApi, path: string, body: object) {
  const answer = await send('POST', `${core}/${path}`, body)
  assert.equal(answer.code, 201, answer.text)
  return answer.body
}

test('a LimitRange completes containers and refuses those out of range', async (t) => {
  const api = await testApi(t)
  await created(
    api,
    'limitranges',
    range([
      { type: 'Container', max: { cpu: '1' }, min: { cpu: '100m' }, defaultRequest: { cpu: '200m', memory: '64Mi' } },
    ]),
  )
  const { spec, metadata } = await created(api, 'pods', pod('plain'))
  assert.deepEqual(spec.containers[0].resources, {
    limits: { cpu: '1' },
    requests: { cpu: '200m', memory: '64Mi' },
  })
  assert.equal(
    metadata.annotations['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c',
  )
  const limited = await created(api, 'pods', pod('limited', { limits: { cpu: '500m' } }))
  assert.equal(limited.spec.containers[0].resources.requests.cpu, '500m')
  const large = await api.send('POST', `${core}/pods`, pod('large', { limits: { cpu: '2' } }))
  assert.equal(large.code, 403)
  assert.equal(large.body.message, 'pods "large" is forbidden: maximum cpu usage per Container is 1, but limit is 2')
  const small = await api.send('POST', `${core}/pods`, pod('small', { requests: { cpu: '1m' } }))
  assert.match(small.body.message, /minimum cpu usage per Container is 100m, but request is 1m$/)
})

test('a LimitRange bounds whole pods, ratios and claims', async (t) => {
  const api = await testApi(t)
  const items = [
    { type: 'Pod', max: { memory: '1Gi' } },
    { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
    { type: 'PersistentVolumeClaim', max: { storage: '1Gi' } },
  ]
  await created(api, 'limitranges', range(items))
  const both = { limits: { memory: '600Mi', cpu: '1' }, requests: { cpu: '1' } }
  const two = pod('two', both)
  two.spec.containers.push({ name: 'd', image: 'img:1', resources: both })
  assert.equal(
    (await api.send('POST', `${core}/pods`, two)).body.message,
    'pods "two" is forbidden: maximum memory usage per Pod is 1Gi, but limit is 1200Mi',
  )
  const stretched = pod('stretched', { limits: { memory: '1Mi', cpu: '3' }, requests: { cpu: '1' } })
  assert.match(
    (await api.send('POST', `${core}/pods`, stretched)).body.message,
    /cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000$/,
  )
  const claim = (storage: string) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: `c-${storage.toLowerCase()}` },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  })
  await created(api, 'persistentvolumeclaims', claim('1Gi'))
  assert.match(
    (await api.send('POST', `${core}/persistentvolumeclaims`, claim('2Gi'))).body.message,
    /maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi$/,
  )
})

test('a ResourceQuota counts objects, says what is used, and gives room back', async (t) => {
  const api = await testApi(t)
  await created(api, 'resourcequotas', quota('few', { 'count/configmaps': '2', pods: '5' }))
  const status = async () => (await api.send('GET', `${core}/resourcequotas/few`)).body.status
  await until(async () => (await status())?.used?.pods === '0')
  // Of many at once, only as many as there is room for.
  const answers = await Promise.all([1, 2, 3, 4].map((n) => api.send('POST', configMaps, configMap(`m${n}`))))
  assert.deepEqual(answers.map((answer) => answer.code).sort(), [201, 201, 403, 403])
  assert.match(
    answers.find((answer) => answer.code === 403)!.body.message,
    /is forbidden: exceeded quota: few, requested: count\/configmaps=1, used: count\/configmaps=2, limited: count\/configmaps=2$/,
  )
  await until(async () => (await status()).used['count/configmaps'] === '2')
  assert.deepEqual((await status()).hard, { 'count/configmaps': '2', pods: '5' })
  const name = answers.find((answer) => answer.code === 201)!.body.metadata.name
  await api.send('DELETE', `${configMaps}/${name}`)
  await until(async () => (await status()).used['count/configmaps'] === '1')
  assert.equal((await api.send('POST', configMaps, configMap('again'))).code, 201)
})

test('a ResourceQuota adds up what pods ask for, makes them say it, and forgets those that ended', async (t) => {
  const api = await testApi(t)
  await created(api, 'resourcequotas', quota('compute', { 'requests.cpu': '1', 'limits.memory': '1Gi' }))
  const silent = await api.send('POST', `${core}/pods`, pod('silent'))
  assert.equal(
    silent.body.message,
    'pods "silent" is forbidden: failed quota: compute: must specify limits.memory for: c; requests.cpu for: c',
  )
  const half = { requests: { cpu: '600m' }, limits: { memory: '512Mi' } }
  await created(api, 'pods', pod('first', half))
  assert.equal(
    (await api.send('POST', `${core}/pods`, pod('second', half))).body.message,
    'pods "second" is forbidden: exceeded quota: compute, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1',
  )
  const used = async () => (await api.send('GET', `${core}/resourcequotas/compute`)).body.status.used
  await until(async () => (await used())['limits.memory'] === '512Mi')
  const ended = { status: { phase: 'Succeeded' } }
  await api.send('PATCH', `${core}/pods/first/status`, ended, { type: 'application/merge-patch+json' })
  await created(api, 'pods', pod('second', half))
})

test('scopes narrow a ResourceQuota to some pods', async (t) => {
  const api = await testApi(t)
  await created(api, 'resourcequotas', quota('best-effort', { pods: '1' }, { scopes: ['BestEffort'] }))
  await created(api, 'pods', pod('one'))
  await created(api, 'pods', pod('asking', { requests: { cpu: '1m' } }))
  assert.equal((await api.send('POST', `${core}/pods`, pod('two'))).code, 403)
})

test('a pod names a ServiceAccount that exists, and a claim gets the default class', async (t) => {
  const api = await testApi(t)
  const stranger = await api.send('POST', `${core}/pods`, pod('p', {}, { serviceAccountName: 'nobody' }))
  assert.equal(
    stranger.body.message,
    'pods "p" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found',
  )
  const storageClass = (name: string, standard: boolean) => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name, annotations: { 'storageclass.kubernetes.io/is-default-class': String(standard) } },
    provisioner: 'example.com/none',
  })
  const classes = '/apis/storage.k8s.io/v1/storageclasses'
  await api.send('POST', classes, storageClass('slow', false))
  await api.send('POST', classes, storageClass('usual', true))
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }
  assert.equal((await created(api, 'persistentvolumeclaims', claim)).spec.storageClassName, 'usual')
})
