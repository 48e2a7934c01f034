import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { containerEnvironment, type EnvSources } from './env.ts'
import { expand } from './expand.ts'

const pod = {
  metadata: { name: 'p', namespace: 'shop', uid: 'u', labels: { app: 'x', 'a.b/c': 'd' } },
  spec: { nodeName: 'node-0', containers: [{ name: 'main', resources: { limits: { memory: '64Mi' } } }] },
} as unknown as objects.Pod
const context = { pod, podIP: '127.64.0.9', hostIP: '127.0.0.1', allocatable: { cpu: 2, memoryBytes: 2 ** 30 } }

const sources: EnvSources = {
  configMap: (name) => (name === 'settings' ? ({ data: { A: 'map', B: 'b' } } as any) : undefined),
  secret: (name) =>
    name === 'hidden' ? ({ data: { KEY: Buffer.from('s3cret').toString('base64') } } as any) : undefined,
  services: [
    {
      metadata: { name: 'my-db', namespace: 'shop' },
      spec: { clusterIP: '127.48.0.3', ports: [{ name: 'sql', port: 5432 }] },
    } as any,
  ],
}
const environment = (container: Partial<objects.Container>) =>
  containerEnvironment({ name: 'main', ...container } as objects.Container, context, sources)

test('expands as Kubernetes does', () => {
  const values = { A: '1', B: '2' }
  assert.equal(expand('$(A)-$(B)-$(C)-$$(A)-$A-$(A', values), '1-2-$(C)-$(A)-$A-$(A')
  assert.equal(expand('$', values), '$')
  assert.equal(expand('$(toString)', values), '$(toString)')
})

test('env wins over envFrom, and sees what came before it', () => {
  const env = environment({
    envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'S_', secretRef: { name: 'hidden' } }],
    env: [
      { name: 'A', value: 'own' },
      { name: 'C', value: '$(A)/$(B)/$(S_KEY)/$(MY_DB_SERVICE_HOST)' },
    ],
  })
  assert.equal(env['C'], 'own/b/s3cret/127.48.0.3')
  assert.equal(env['MY_DB_PORT_5432_TCP_ADDR'], '127.48.0.3')
})

test('reads fields of the pod and resources', () => {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } })
  const resource = (name: string, of: string, divisor?: string) => ({
    name,
    valueFrom: { resourceFieldRef: { resource: of, ...(divisor && { divisor }) } },
  })
  const env = environment({
    env: [
      field('IP', 'status.podIP'),
      field('LABEL', "metadata.labels['a.b/c']"),
      field('NODE', 'spec.nodeName'),
      resource('MEMORY', 'limits.memory', '1Mi'),
      resource('CPU', 'limits.cpu'),
    ],
  })
  assert.deepEqual(
    [env['IP'], env['LABEL'], env['NODE'], env['MEMORY'], env['CPU']],
    ['127.64.0.9', 'd', 'node-0', '64', '2'],
  )
})

test('what is missing and required is named, what is optional is left out', () => {
  const wrong = { code: 'CreateContainerConfigError' }
  assert.throws(() => environment({ envFrom: [{ secretRef: { name: 'nope' } }] }), {
    ...wrong,
    message: 'secret "nope" not found',
  })
  const key = (optional: boolean) => [
    { name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'Z', optional } } },
  ]
  assert.throws(() => environment({ env: key(false) }), {
    ...wrong,
    message: `couldn't find key Z in configmap "settings"`,
  })
  assert.equal('X' in environment({ env: key(true) }), false)
  assert.doesNotThrow(() => environment({ envFrom: [{ configMapRef: { name: 'nope', optional: true } }] }))
})
