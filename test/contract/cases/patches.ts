import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import { configMap, pod, podTemplate, schemaOf } from '../objects.ts'

const quiet = { record: false }

contract('merge patch', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(c.path('configmaps'), configMap('a', { a: '1', b: '2' }, { labels: { x: '1' } }), quiet)
  const { body } = await c.patch('merge', path, { data: { a: null, c: '3' }, metadata: { labels: { y: '2' } } })
  assert.deepEqual(body.data, { b: '2', c: '3' })
  await c.patch('merge', path, { data: null })
  await c.patch('merge', path, {})
  await c.patch('merge', path, '[]')
  await c.patch('merge', path, '{')
  await c.patch('merge', path, 'null')
  await c.patch('merge', path, { data: { a: 1 } })
  await c.patch('merge', path, { kind: 'Secret' })
  await c.patch('merge', path, { apiVersion: 'v2' })
})

contract('JSON patch', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(
    c.path('configmaps'),
    configMap('a', { a: '1' }, { labels: { x: '1' }, annotations: { 'example.com/y': '2' } }),
    quiet,
  )
  const patch = (...operations: object[]) => c.patch('json', path, operations)
  await patch({ op: 'test', path: '/data/a', value: '1' }, { op: 'replace', path: '/data/a', value: '2' })
  await patch({ op: 'replace', path: '/metadata/annotations/example.com~1y', value: '3' })
  await patch({ op: 'copy', from: '/data/a', path: '/data/b' }, { op: 'move', from: '/data/b', path: '/data/c' })
  const gone = await patch({ op: 'remove', path: '/data/c' })
  assert.deepEqual([gone.body.data, gone.body.metadata.annotations], [{ a: '2' }, { 'example.com/y': '3' }])
  await patch({ op: 'test', path: '/data/a', value: 'other' })
  await patch({ op: 'remove', path: '/data/none' })
  await patch({ op: 'replace', path: '/data/none', value: 'x' })
  await patch({ op: 'add', path: '/none/x', value: 'x' })
  await patch({ op: 'frobnicate', path: '/data' })
  await c.patch('json', path, {})
  await c.patch('json', path, '[')
  await patch(
    { op: 'add', path: '/metadata/labels/y', value: '2' },
    { op: 'test', path: '/metadata/labels/x', value: '2' },
  )
  await c.patch(
    'json',
    path,
    Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data/a', value: '2' })),
  )
})

contract('JSON patch of lists', async (c) => {
  const path = `${c.path('podtemplates')}/t`
  const env = [
    { name: 'A', value: '1' },
    { name: 'B', value: '2' },
  ]
  await c.post(c.path('podtemplates'), podTemplate('t', { containers: [{ name: 'c', image: 'i', env }] }), quiet)
  const at = '/template/spec/containers/0/env'
  await c.patch('json', path, [{ op: 'add', path: `${at}/0`, value: { name: 'Z' } }])
  await c.patch('json', path, [{ op: 'add', path: `${at}/-`, value: { name: 'Y' } }])
  const { body } = await c.patch('json', path, [{ op: 'remove', path: `${at}/1` }])
  assert.deepEqual(
    body.template.spec.containers[0].env.map(({ name }: any) => name),
    ['Z', 'B', 'Y'],
  )
  await c.patch('json', path, [{ op: 'remove', path: `${at}/9` }])
  await c.patch('json', path, [{ op: 'add', path: `${at}/9`, value: {} }])
})

contract('strategic merge by keys', async (c) => {
  const path = `${c.path('podtemplates')}/t`
  await c.post(
    c.path('podtemplates'),
    podTemplate('t', {
      containers: [
        {
          name: 'a',
          image: 'a:1',
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '2' },
          ],
          ports: [{ containerPort: 80 }],
        },
        { name: 'b', image: 'b:1', args: ['x', 'y'] },
      ],
      volumes: [{ name: 'v', emptyDir: {} }],
      tolerations: [{ key: 'k', operator: 'Exists' }],
    }),
    quiet,
  )
  const patch = (spec: object) => c.patch('strategic', path, { template: { spec } })
  const { body } = await patch({
    containers: [
      { name: 'b', image: 'b:2' },
      { name: 'c', image: 'c:1' },
    ],
  })
  assert.equal(body.template.spec.containers.length, 3)
  await patch({
    containers: [
      {
        name: 'a',
        env: [
          { name: 'Y', value: '3' },
          { name: 'Z', value: '4' },
        ],
      },
    ],
  })
  await patch({ containers: [{ name: 'c', $patch: 'delete' }] })
  await patch({ containers: [{ name: 'a', ports: [{ containerPort: 81, name: 'more' }] }] })
  await patch({ containers: [{ name: 'b', args: ['z'] }] })
  await patch({ tolerations: [{ key: 'other', operator: 'Exists' }] })
  await patch({ volumes: [{ name: 'v', emptyDir: null, configMap: { name: 'x' } }] })
  await patch({
    $setElementOrder: undefined,
    '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }],
    containers: [{ name: 'b', image: 'b:3' }],
  })
  await patch({ volumes: [{ name: 'v', $retainKeys: ['name', 'secret'], secret: { secretName: 's' } }] })
  await patch({ containers: [{ $patch: 'replace' }, { name: 'only', image: 'only:1' }] })
  await patch({ nodeSelector: { a: 'b' } })
  await patch({ nodeSelector: { $patch: 'replace', c: 'd' } })
  await patch({ nodeSelector: null })
  await patch({ containers: [{ image: 'nameless' }] })
  await patch({ containers: 'x' })
  await patch({ $patch: 'bogus' })
})

contract('strategic merge of sets', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(c.path('configmaps'), configMap('a', {}, { finalizers: ['example.com/a', 'example.com/b'] }), quiet)
  await c.patch('strategic', path, { metadata: { finalizers: ['example.com/c'] } })
  const { body } = await c.patch('strategic', path, {
    metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a'] },
  })
  assert.deepEqual([...body.metadata.finalizers].sort(), ['example.com/b', 'example.com/c'])
  await c.patch('merge', path, { metadata: { finalizers: null } })
})

contract('patches of the wrong type', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(c.path('configmaps'), configMap('a'), quiet)
  await c.send('PATCH', path, {}, { type: 'application/json' })
  await c.send('PATCH', path, {}, { type: 'text/plain' })
  const things = await c.define('Thing', schemaOf({ spec: { type: 'object' } }))
  await c.post(things, { apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name: 'a' } }, quiet)
  await c.patch('strategic', `${things}/a`, {})
})

contract('what may be changed of a pod', async (c) => {
  const path = `${c.path('pods')}/p`
  await c.post(c.path('pods'), pod('p'), quiet)
  const image = await c.patch('strategic', path, { spec: { containers: [{ name: 'c', image: 'example.com/c:2' }] } })
  assert.equal(image.body.spec.containers[0].image, 'example.com/c:2')
  const refused = await c.patch(
    'strategic',
    path,
    { spec: { containers: [{ name: 'c', env: [{ name: 'A', value: '1' }] }] } },
    { pick: ({ message: _, details: __, ...rest }) => rest },
  )
  assert.equal(refused.code, 422)
  await c.patch('merge', path, { spec: { activeDeadlineSeconds: 5 } })
  await c.patch('merge', path, { spec: { activeDeadlineSeconds: 10 } })
  await c.patch('merge', path, { spec: { tolerations: [] } }, { pick: ({ message: _, details: __, ...rest }) => rest })
  await c.patch('merge', path, { spec: { nodeName: 'x' } }, { pick: ({ message: _, details: __, ...rest }) => rest })
})

contract('patches retry what others wrote, unless they name a revision', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(c.path('configmaps'), configMap('a', { n: '0' }), quiet)
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) => c.patch('merge', path, { data: { [`k${index}`]: 'v' } }, quiet)),
  )
  assert.deepEqual(
    answers.map(({ code }) => code),
    Array(8).fill(200),
  )
  const { body } = await c.get(path, { pick: ({ data }) => data })
  assert.equal(Object.keys(body.data).length, 9)
})
