import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import type { Answer } from '../client.ts'
import { configMap, deployment, pod, schemaOf } from '../objects.ts'

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
const accept = { headers: { accept: table } }
/** Descriptions are prose, ages are time. */
const shape = ({ kind, apiVersion, columnDefinitions, rows }: any) => ({
  kind,
  apiVersion,
  columns: columnDefinitions?.map(({ name, type, format, priority }: any) => ({ name, type, format, priority })),
  rows: rows?.map(({ cells, conditions, object }: any) => ({
    cells: cells.map((cell: any) => (/^(\d+[smhd])+$|^<unknown>$/.test(String(cell)) ? '0s' : cell)),
    conditions,
    object: object && {
      kind: object.kind,
      apiVersion: object.apiVersion,
      name: object.metadata.name,
      keys: Object.keys(object).sort(),
    },
  })),
})

contract('a list as a table', async (c) => {
  await c.post(c.path('configmaps'), configMap('a', { one: '1', two: '2' }), { record: false })
  const { body } = await c.get(`${c.path('configmaps')}?fieldSelector=metadata.name%3Da`, { ...accept, pick: shape })
  assert.deepEqual(body.rows[0].cells.slice(0, 2), ['a', 2])
  assert.equal(body.rows[0].object.kind, 'PartialObjectMetadata')
})

contract('one object as a table, whole and without object', async (c) => {
  await c.post(c.path('configmaps'), configMap('a', { one: '1' }), { record: false })
  for (const include of ['Object', 'Metadata', 'None']) {
    await c.get(`${c.path('configmaps')}/a?includeObject=${include}`, { ...accept, pick: shape })
  }
  await c.get(`${c.path('configmaps')}/a?includeObject=Some`, accept)
})

contract('as metadata only', async (c) => {
  await c.post(c.path('configmaps'), configMap('a', { one: '1' }), { record: false })
  const one = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json'
  const list = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json'
  await c.get(`${c.path('configmaps')}/a`, { headers: { accept: one } })
  await c.get(`${c.path('configmaps')}?fieldSelector=metadata.name=a`, { headers: { accept: list } })
})

contract('a form that does not exist is not acceptable', async (c) => {
  await c.get(c.path('configmaps'), { headers: { accept: 'application/json;as=Foo;v=v1;g=meta.k8s.io' } })
  await c.get(c.path('configmaps'), { headers: { accept: 'text/html' } })
  await c.get(`${c.path('configmaps')}/none`, { headers: { accept: 'application/xml,application/json' } })
})

contract('pods as a table', async (c) => {
  await c.post(c.path('pods'), pod('p'), { record: false })
  const status = {
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'c', ready: true, restartCount: 2, image: 'i', imageID: '', state: { running: {} } }],
    },
  }
  const patched = await c.patch('strategic', `${c.path('pods')}/p/status`, status, { record: false })
  assert.equal(patched.code, 200, patched.text)
  await c.get(c.path('pods'), { ...accept, pick: shape })
  await c.patch(
    'strategic',
    `${c.path('pods')}/p/status`,
    {
      status: {
        phase: 'Succeeded',
        containerStatuses: [{ name: 'c', ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
      },
    },
    { record: false },
  )
  await c.get(c.path('pods'), { ...accept, pick: shape })
})

for (const [resource, body] of [
  ['apps/v1/deployments', deployment('d')],
  [
    'services',
    {
      metadata: { name: 's' },
      spec: {
        selector: { a: 'b' },
        ports: [
          { port: 80, name: 'http' },
          { port: 53, protocol: 'UDP', name: 'dns' },
        ],
      },
    },
  ],
  ['secrets', { metadata: { name: 's' }, type: 'Opaque', stringData: { a: '1', b: '2' } }],
  [
    'networking.k8s.io/v1/ingresses',
    {
      metadata: { name: 'i' },
      spec: {
        rules: [
          {
            host: 'a.example.com',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }],
            },
          },
        ],
      },
    },
  ],
  [
    'batch/v1/jobs',
    {
      metadata: { name: 'j' },
      spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
    },
  ],
  [
    'batch/v1/cronjobs',
    {
      metadata: { name: 'c' },
      spec: {
        schedule: '0 0 1 1 *',
        suspend: true,
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
        },
      },
    },
  ],
  ['coordination.k8s.io/v1/leases', { metadata: { name: 'l' }, spec: { holderIdentity: 'me' } }],
  [
    'policy/v1/poddisruptionbudgets',
    { metadata: { name: 'p' }, spec: { minAvailable: '50%', selector: { matchLabels: { a: 'b' } } } },
  ],
  [
    'rbac.authorization.k8s.io/v1/rolebindings',
    {
      metadata: { name: 'r' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'jane' }],
    },
  ],
  [
    'networking.k8s.io/v1/networkpolicies',
    { metadata: { name: 'n' }, spec: { podSelector: { matchLabels: { a: 'b' } } } },
  ],
  [
    'autoscaling/v2/horizontalpodautoscalers',
    {
      metadata: { name: 'h' },
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' } },
    },
  ],
  [
    'apps/v1/statefulsets',
    {
      metadata: { name: 's' },
      spec: {
        replicas: 0,
        serviceName: 's',
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    },
  ],
  [
    'persistentvolumeclaims',
    {
      metadata: { name: 'p' },
      spec: { storageClassName: 'none', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  ],
] as const) {
  contract(`${resource} as a table`, async (c) => {
    const made = await c.post(c.path(resource), body, { record: false })
    assert.equal(made.code, 201, made.text)
    const name = body.metadata.name
    // The cells of a moment later depend on controllers; names, types and what the spec says do not.
    const settled = ({ text }: Answer) => resource !== 'batch/v1/jobs' || text.includes('"Suspended"')
    await c.until(`${c.path(resource)}?fieldSelector=metadata.name=${name}`, settled, { ...accept, pick: shape })
  })
}

contract('a definition has columns of its own', async (c) => {
  const things = await c.define('Thing', {
    ...schemaOf({
      spec: {
        type: 'object',
        properties: {
          size: { type: 'integer' },
          tags: { type: 'array', items: { type: 'string' } },
          on: { type: 'boolean' },
        },
      },
    }),
    additionalPrinterColumns: [
      { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
      { name: 'On', type: 'boolean', jsonPath: '.spec.on', priority: 1 },
      { name: 'Tags', type: 'string', jsonPath: '.spec.tags' },
      { name: 'First', type: 'string', jsonPath: '.spec.tags[0]' },
      { name: 'Born', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
  })
  const make = (name: string, spec: object) =>
    c.post(things, { apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name }, spec })
  await make('a', { size: 3, tags: ['x', 'y'], on: true })
  await make('b', {})
  await c.get(things, { ...accept, pick: shape })
})

contract('a definition without columns shows name and age', async (c) => {
  const things = await c.define('Thing', schemaOf({ spec: { type: 'object' } }))
  await c.post(things, { apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name: 'a' } })
  await c.get(things, { ...accept, pick: shape })
})

contract('events of a watch as tables', async (c) => {
  const watch = await c.watch(`${c.path('configmaps')}?fieldSelector=metadata.name%3Da`, accept)
  await c.post(c.path('configmaps'), configMap('a', { one: '1' }), { record: false })
  await c.patch('merge', `${c.path('configmaps')}/a`, { data: { two: '2' } }, { record: false })
  const events = await watch.next(2)
  assert.deepEqual(
    events.map(({ object }) => object.rows[0].cells[1]),
    [1, 2],
  )
})
