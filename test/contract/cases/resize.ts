import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import type { Client } from '../client.ts'
import { pod } from '../objects.ts'

const quiet = { record: false }

const container = (name: string, resources?: object, more: object = {}) => ({
  name,
  image: 'example.com/i:1',
  ...(resources && { resources }),
  ...more,
})
const small = { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } }
/** Of a refusal of a plain update: not the text that shows the pod's fields. */
const refusal = { pick: ({ code, reason }: any) => [code, reason] }
const cpu = (amount: string) => ({ requests: { cpu: amount } })

/** Makes pod `p` of these containers and returns its path. */
async function made(c: Client, containers: object[], spec: object = {}): Promise<string> {
  const { code, text } = await c.post(c.path('pods'), pod('p', { containers, ...spec }), quiet)
  assert.equal(code, 201, text)
  return `${c.path('pods')}/p`
}

const of = (...containers: object[]) => ({ spec: { containers } })

contract('a resize changes resources and nothing else', async (c) => {
  const path = await made(c, [container('c', small), container('d', small)])
  await c.get(`${path}/resize`)
  const patch = of({ name: 'c', image: 'example.com/other:2', resources: cpu('200m') })
  const { body } = await c.patch('strategic', `${path}/resize`, {
    metadata: { labels: { resized: 'yes' }, annotations: { resized: 'yes' } },
    ...patch,
    status: { phase: 'Running' },
  })
  const [first, second] = body.spec.containers
  assert.deepEqual([first.image, first.resources.requests.cpu], ['example.com/i:1', '200m'])
  assert.equal(second.resources.requests.cpu, '100m')
  assert.equal(body.metadata.generation, 2)
  await c.patch('strategic', `${path}/resize`, { spec: { activeDeadlineSeconds: 5, terminationGracePeriodSeconds: 5 } })
  await c.patch('strategic', `${path}/resize`, patch)
  await c.get(path)
  await c.patch('strategic', path, of({ name: 'c', resources: cpu('300m') }), refusal)
})

contract('a resize by every kind of patch', async (c) => {
  const path = `${await made(c, [container('c', small)])}/resize`
  const at = '/spec/containers/0/resources/requests/cpu'
  await c.patch('json', path, [{ op: 'replace', path: at, value: '110m' }])
  await c.patch('merge', path, of(container('c', { ...small, requests: { cpu: '120m', memory: '64Mi' } })))
  await c.patch('merge', path, of({ name: 'c', resources: { requests: { cpu: '130m' } } }))
  const applied = await c.apply('a', path, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', labels: { not: 'this' } },
    ...of(container('c', cpu('140m'))),
  })
  await c.apply(
    'a',
    path,
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, ...of({ name: 'c', resources: cpu('140m') }) },
    { force: true },
  )
  const { body } = await c.get(path)
  body.spec.containers[0].resources.requests.cpu = '150m'
  const put = await c.put(path, body)
  assert.equal(put.code, 200, applied.text)
  await c.put(path, body)
  await c.patch('strategic', `${path}?dryRun=All`, of({ name: 'c', resources: cpu('160m') }))
  await c.patch('strategic', `${path}?fieldManager=me`, of({ name: 'c', resources: { requests: { cpu: '0.2' } } }))
})

contract('resizes that are refused', async (c) => {
  const path = `${await made(c, [container('c', small), container('d', cpu('100m'))])}/resize`
  const refused = (patch: object) => c.patch('strategic', path, patch)
  const { code } = await refused(of({ name: 'c', resources: { requests: { cpu: null } } }))
  assert.equal(code, 422)
  await refused(of({ name: 'c', resources: { limits: { memory: null } } }))
  await refused(of({ name: 'c', resources: { requests: { cpu: null, memory: null } } }))
  await refused(of({ name: 'c', resources: { requests: { memory: '256Mi' } } }))
  await refused(of({ name: 'c', resources: { requests: { 'ephemeral-storage': '1Gi' } } }))
  await refused(of({ name: 'c', resources: { requests: { cpu: '-1' } } }))
  await refused(of({ name: 'c', resources: { requests: { cpu: 'much' } } }))
  await refused(of(container('e', small)))
  await refused(of({ name: 'd', $patch: 'delete' }))
  await refused(of({ name: 'c', resources: { claims: [{ name: 'x' }] } }))
  await c.patch('json', path, [{ op: 'replace', path: '/spec/containers/0/name', value: 'other' }])
  await c.patch('json', path, [{ op: 'move', from: '/spec/containers/0', path: '/spec/containers/1' }])
  await c.put(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'p' } })
  await c.put(path, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other' }, spec: { containers: [] } })
  await c.patch('strategic', `${c.path('pods')}/none/resize`, of({ name: 'c', resources: cpu('1') }))
  await c.post(path, {})
  await c.delete(path)
  await c.get(path, { pick: ({ metadata, spec }) => [metadata.generation, spec.containers] })
})

contract('a resize keeps the class of service', async (c) => {
  const all = { cpu: '100m', memory: '64Mi' }
  const path = `${await made(c, [container('c', { requests: all, limits: all })])}/resize`
  const to = (resources: object) => c.patch('strategic', path, of({ name: 'c', resources }))
  assert.equal((await to({ requests: { cpu: '50m' } })).code, 422)
  await to({ limits: { cpu: '200m' } })
  const both = await to({ limits: { cpu: '200m' }, requests: { cpu: '200m' } })
  assert.equal(both.code, 200)
  await to({ limits: { memory: '32Mi' }, requests: { memory: '32Mi' } })
})

contract('a pod that asked for nothing stays so', async (c) => {
  const path = `${await made(c, [container('c')])}/resize`
  const { code } = await c.patch('strategic', path, of({ name: 'c', resources: cpu('1') }))
  assert.equal(code, 422)
})

contract('a request or limit may be added by a resize', async (c) => {
  const path = `${await made(c, [container('c', cpu('100m'))])}/resize`
  const to = (resources: object) => c.patch('strategic', path, of({ name: 'c', resources }))
  assert.equal((await to({ limits: { cpu: '300m' } })).code, 200)
  await to({ requests: { memory: '64Mi' }, limits: { memory: '64Mi' } })
  await to({ limits: { memory: '32Mi' }, requests: { memory: '32Mi' } })
})

contract('resize policies', async (c) => {
  const policy = (resourceName: string, restartPolicy: string) => ({ resourceName, restartPolicy })
  const restarts = { resizePolicy: [policy('cpu', 'NotRequired'), policy('memory', 'RestartContainer')] }
  const path = await made(c, [container('c', small, restarts), container('d', small)])
  await c.get(path, { pick: ({ spec }) => spec.containers })
  const change = (resizePolicy: object[]) => of({ name: 'c', resizePolicy })
  await c.patch('strategic', `${path}/resize`, change([policy('memory', 'NotRequired')]))
  await c.patch('strategic', path, change([policy('memory', 'NotRequired')]), refusal)
  await c.patch('strategic', `${path}/resize`, of({ name: 'c', resources: { requests: { memory: '70Mi' } } }))
  const bad = (resizePolicy: object[], restartPolicy = 'Always') =>
    c.post(c.path('pods'), pod('bad', { restartPolicy, containers: [container('c', small, { resizePolicy })] }))
  await bad([policy('disk', 'NotRequired')])
  await bad([policy('cpu', 'Sometimes')])
  await bad([policy('cpu', 'NotRequired'), policy('cpu', 'NotRequired')])
  await bad([policy('memory', 'RestartContainer')], 'Never')
})

contract('init containers and sidecars are resized too', async (c) => {
  const path = await made(c, [container('c', small)], {
    initContainers: [container('i', small), container('s', small, { restartPolicy: 'Always' })],
  })
  const to = (name: string) => ({ spec: { initContainers: [{ name, resources: cpu('200m') }] } })
  const { code } = await c.patch('strategic', `${path}/resize`, to('s'))
  assert.equal(code, 200)
  await c.patch('strategic', `${path}/resize`, to('i'))
  await c.patch('strategic', `${path}/resize`, to('none'))
  await c.get(path, { pick: ({ spec }) => spec.initContainers })
})

contract(
  'a resize within a quota, and beyond it',
  async (c) => {
    const path = `${await made(c, [container('c', small)])}/resize`
    const hard = { 'requests.cpu': '300m', 'requests.memory': '128Mi' }
    await c.post(c.path('resourcequotas'), { metadata: { name: 'q' }, spec: { hard } }, quiet)
    await c.until(`${c.path('resourcequotas')}/q`, ({ body }) => body.status?.used?.['requests.cpu'] === '100m', {
      pick: ({ status }) => status,
    })
    const pick = (body: any) => (body.kind === 'Status' ? body : body.spec.containers[0].resources)
    await c.patch('strategic', path, of(container('c', cpu('200m'))), { pick })
    await c.until(`${c.path('resourcequotas')}/q`, ({ body }) => body.status?.used?.['requests.cpu'] === '200m', {
      pick: ({ status }) => status,
    })
    await c.patch('strategic', path, of(container('c', cpu('400m'))), { pick })
    await c.patch('strategic', path, of(container('c', cpu('50m'))), { pick })
  },
  { controllers: true },
)
