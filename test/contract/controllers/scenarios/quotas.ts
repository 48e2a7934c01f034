import assert from 'node:assert/strict'
import { type ApiError, ConfigMap, Deployment, Pod, ResourceQuota, Service } from '#kube'
import { deployment, pod } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const used = (w: World, name: string) => (w.find(ResourceQuota, name)?.status as any)?.used
const uses = (w: World, name: string, expected: Record<string, string>) => () => {
  const found = used(w, name)
  for (const [key, value] of Object.entries(expected)) assert.equal(found?.[key], value, key)
  return true
}
const sized = (cpu: string, memory: string) => ({
  spec: {
    containers: [
      { name: 'app', image: 'example.com/app:1', resources: { requests: { cpu, memory }, limits: { cpu, memory } } },
    ],
  },
})
const refused = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'not refused',
    (error: ApiError) => `${error.code} ${error.message}`,
  )

scenario('a quota counts what is there', async (w) => {
  await w.node()
  await w.create(Pod, pod(w, 'before', sized('100m', '64Mi')))
  await w.until('running', () => w.pods({ ready: true }).length === 1)
  const hard = {
    pods: '3',
    'requests.cpu': '1',
    'limits.memory': '1Gi',
    'count/services': '2',
    'count/deployments.apps': '1',
  }
  await w.create(ResourceQuota, { metadata: { name: 'q' }, spec: { hard } })
  await w.frame('what was there before', uses(w, 'q', { pods: '1', 'requests.cpu': '100m', 'count/services': '0' }))
  await w.create(Deployment, deployment(w, 'web', { replicas: 2 }, sized('200m', '64Mi')))
  await w.create(Service, { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } })
  await w.frame('more', uses(w, 'q', { pods: '3', 'requests.cpu': '500m', 'count/services': '1' }))
  assert.match(await refused(w.create(Pod, pod(w, 'more', sized('100m', '64Mi')))), /403.*exceeded quota: q/)
  await w.kube.delete(Pod, 'before', w.ns)
  await w.delete(Service, 's')
  await w.frame('less', uses(w, 'q', { pods: '2', 'requests.cpu': '400m', 'count/services': '0' }))
  await w.patch(ResourceQuota, 'q', { spec: { hard: { pods: '1' } } })
  await w.frame('a smaller quota', () => (w.find(ResourceQuota, 'q')!.status as any).hard.pods === '1')
})

scenario('finished pods use nothing', async (w) => {
  await w.node()
  await w.create(ResourceQuota, { metadata: { name: 'q' }, spec: { hard: { pods: '2', 'count/pods': '5' } } })
  await w.until('a quota', () => used(w, 'q'))
  await w.create(Pod, pod(w, 'one', { does: 'ready', spec: { restartPolicy: 'Never' } }))
  await w.frame('one', () => w.pods({ ready: true }).length === 1 && uses(w, 'q', { pods: '1', 'count/pods': '1' })())
  await w.tell('exit 0', {})
  await w.frame('finished', uses(w, 'q', { pods: '0', 'count/pods': '1' }))
})

scenario('quotas with scopes', async (w) => {
  await w.node()
  for (const scope of ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating'])
    await w.create(ResourceQuota, {
      metadata: { name: scope.toLowerCase() },
      spec: { hard: { pods: '5' }, scopes: [scope] },
    })
  await w.until('quotas', () => used(w, 'notterminating') && used(w, 'terminating'))
  await w.create(Pod, pod(w, 'plain'))
  await w.create(Pod, pod(w, 'sized', sized('1m', '1Mi')))
  await w.create(Pod, pod(w, 'short', { spec: { activeDeadlineSeconds: 1000 } }))
  await w.frame(
    'each counts its own',
    () =>
      w.pods({ ready: true }).length === 3 &&
      uses(w, 'besteffort', { pods: '2' })() &&
      uses(w, 'notbesteffort', { pods: '1' })() &&
      uses(w, 'terminating', { pods: '1' })() &&
      uses(w, 'notterminating', { pods: '2' })(),
  )
})

scenario('a quota of objects', async (w) => {
  await w.create(ResourceQuota, {
    metadata: { name: 'q' },
    spec: { hard: { configmaps: '2', secrets: '0', 'services.loadbalancers': '0' } },
  })
  await w.frame('with what every namespace has', uses(w, 'q', { configmaps: '1', secrets: '0' }))
  await w.create(ConfigMap, { metadata: { name: 'a' } })
  assert.match(await refused(w.create(ConfigMap, { metadata: { name: 'b' } })), /403/)
  await w.delete(ConfigMap, 'a')
  await w.frame('room again', uses(w, 'q', { configmaps: '1' }))
})
