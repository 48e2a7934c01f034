import { Deployment, Node, Pod } from '#kube'
import { compared } from '../kinds.ts'
import { deployment, pod } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const unreachable = 'node.kubernetes.io/unreachable'
const notReady = 'node.kubernetes.io/not-ready'
const tolerating = (seconds?: number) => ({
  tolerations: [unreachable, notReady].map((key) => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    ...(seconds !== undefined && { tolerationSeconds: seconds }),
  })),
})
const tainted = (w: World, name: string, key: string, effect: string) => () =>
  (w.find(Node, `${w.ns}-${name}`)?.spec?.taints ?? []).some((taint) => taint.key === key && taint.effect === effect)
const untainted = (w: World, name: string) => () => (w.find(Node, `${w.ns}-${name}`)?.spec?.taints ?? []).length === 0
const all = [...compared, Node]

scenario(
  'a node is lost: its pods are replaced elsewhere',
  async (w) => {
    w.compare(all)
    await w.node('a', { labels: { first: 'yes' } })
    const prefer = {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 100, preference: { matchExpressions: [{ key: 'first', operator: 'Exists' }] } },
        ],
      },
    }
    await w.create(Deployment, deployment(w, 'web', { replicas: 2 }, { spec: { ...tolerating(3), affinity: prefer } }))
    await w.frame('created', () => w.pods({ ready: true }).length === 2)
    await w.node('b')
    w.hollow.nodes.silence(`${w.ns}-a`)
    await w.frame('lost', tainted(w, 'a', unreachable, 'NoExecute'))
    await w.frame('evicted', () => w.pods({ leaving: true }).length === 2 && w.pods({ ready: true }).length === 2)
    await w.hollow.nodes.revive(`${w.ns}-a`)
    await w.frame('back', () => untainted(w, 'a')() && w.pods({ leaving: true }).length === 0)
  },
  { slow: true },
)

scenario('a node says that it is not well', async (w) => {
  w.compare(all)
  await w.node('a')
  await w.create(Pod, pod(w, 'stays', { spec: tolerating() }))
  await w.create(Pod, pod(w, 'goes', { spec: tolerating(1) }))
  await w.frame('created', () => w.pods({ ready: true }).length === 2)
  await w.hollow.nodes.report(`${w.ns}-a`, false)
  await w.frame('one goes', () => tainted(w, 'a', notReady, 'NoExecute')() && !w.find(Pod, 'goes'))
  await w.hollow.nodes.report(`${w.ns}-a`, true)
  await w.frame('well again', untainted(w, 'a'))
})

scenario('taints of others evict as well', async (w) => {
  w.compare(all)
  await w.node('a')
  const toleration = (more: object) => ({
    tolerations: [{ key: 'example.com/x', operator: 'Equal', value: 'v', effect: 'NoExecute', ...more }],
  })
  await w.create(Pod, pod(w, 'none'))
  await w.create(Pod, pod(w, 'for-ever', { spec: toleration({}) }))
  await w.create(Pod, pod(w, 'a-while', { spec: toleration({ tolerationSeconds: 3 }) }))
  await w.create(Pod, pod(w, 'of-another', { spec: toleration({ value: 'w' }) }))
  await w.frame('created', () => w.pods({ ready: true }).length === 4)
  await w.patch(Node, `${w.ns}-a`, { spec: { taints: [{ key: 'example.com/x', value: 'v', effect: 'NoExecute' }] } })
  await w.frame('those that do not tolerate it went', () => w.list(Pod).length <= 2)
  await w.frame('and then the one that did for a while', () => w.list(Pod).length === 1)
})

scenario('a taint that goes in time', async (w) => {
  w.compare(all)
  await w.node('a')
  const toleration = { key: 'example.com/x', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 }
  await w.create(Pod, pod(w, 'patient', { spec: { tolerations: [toleration] } }))
  await w.frame('created', () => w.pods({ ready: true }).length === 1)
  await w.patch(Node, `${w.ns}-a`, { spec: { taints: [{ key: 'example.com/x', effect: 'NoExecute' }] } })
  await w.frame('tainted', () => w.pods({ ready: true }).length === 1)
  await w.patch(Node, `${w.ns}-a`, { spec: { taints: null } })
  await w.frame('stays', () => w.pods({ ready: true }).length === 1)
})

scenario('a cordoned node', async (w) => {
  w.compare(all)
  await w.node('a')
  await w.patch(Node, `${w.ns}-a`, { spec: { unschedulable: true } })
  await w.frame('has a taint', tainted(w, 'a', 'node.kubernetes.io/unschedulable', 'NoSchedule'))
  await w.create(Pod, pod(w, 'waits'))
  await w.frame('nothing goes there', () => w.find(Pod, 'waits')?.status?.conditions?.length === 1)
  await w.patch(Node, `${w.ns}-a`, { spec: { unschedulable: null } })
  await w.frame('uncordoned', () => untainted(w, 'a')() && w.pods({ ready: true }).length === 1)
})

scenario('a node under pressure, and without a network', async (w) => {
  w.compare(all)
  await w.node('a')
  const reported = () => (w.find(Node, `${w.ns}-a`) as any).status.conditions
  await w.until('its first report', reported)
  const [ready] = reported()
  const has = (...types: string[]) => {
    const conditions = [ready, ...types.map((type) => ({ ...ready, type, reason: 'Told', message: 'told to be so' }))]
    return w.patch(Node, `${w.ns}-a`, { status: { conditions } }, 'status')
  }
  await has('MemoryPressure', 'DiskPressure')
  await w.frame('two taints', () => w.find(Node, `${w.ns}-a`)?.spec?.taints?.length === 2)
  await w.create(Pod, pod(w, 'waits'))
  await w.frame('nothing goes there', () => w.find(Pod, 'waits')?.status?.conditions?.length === 1)
  await has('PIDPressure', 'NetworkUnavailable')
  await w.frame('two others', tainted(w, 'a', 'node.kubernetes.io/network-unavailable', 'NoSchedule'))
  await has()
  await w.frame('none', () => untainted(w, 'a')() && w.pods({ ready: true }).length === 1)
})

scenario(
  'a node is deleted with its pods on it',
  async (w) => {
    await w.node('a')
    await w.create(Pod, pod(w, 'orphan'))
    await w.frame('created', () => w.pods({ ready: true }).length === 1)
    w.hollow.nodes.silence(`${w.ns}-a`)
    await w.kube.delete(Node, `${w.ns}-a`)
    await w.until('the pod to be collected', () => w.list(Pod).length === 0, 120_000)
    await w.frame('collected')
  },
  { slow: true },
)
