import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinResources, prepareCreate, table } from '../index.ts'
import { jsonPath } from './jsonpath.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const infoOf = (kind: string) => builtinResources().findLast((info) => info.kind === kind)!
const created = { name: 'x', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' }
const cells = (kind: string, object: any) =>
  table(infoOf(kind), [{ metadata: created, ...object }], { now }).rows[0].cells
const header = (kind: string) =>
  table(infoOf(kind), [], { now })
    .columnDefinitions.map((column) => (column.priority > 0 ? '*' : '') + column.name)
    .join(' | ')

test('the columns of kubectl get', () => {
  for (const [kind, columns] of [
    ['Pod', 'Name | Ready | Status | Restarts | Age | *IP | *Node | *Nominated Node | *Readiness Gates'],
    ['Deployment', 'Name | Ready | Up-to-date | Available | Age | *Containers | *Images | *Selector'],
    ['Service', 'Name | Type | Cluster-IP | External-IP | Port(s) | Age | *Selector'],
    [
      'CronJob',
      'Name | Schedule | Timezone | Suspend | Active | Last Schedule | Age | *Containers | *Images | *Selector',
    ],
    [
      'Node',
      'Name | Status | Roles | Age | Version | *Internal-IP | *External-IP | *OS-Image | *Kernel-Version | *Container-Runtime',
    ],
    ['Event', 'Last Seen | Type | Reason | Object | *Subobject | *Source | Message | *First Seen | *Count | *Name'],
    ['Role', 'Name | Created At'],
    ['VolumeAttachment', 'Name | Age'],
  ])
    assert.equal(header(kind), columns)
})

test('every row has a cell for each column', () => {
  for (const info of builtinResources()) {
    if (!info.verbs.includes('list')) continue
    const { object } = prepareCreate(info, { apiVersion: info.version, kind: info.kind, metadata: created })
    const { columnDefinitions, rows } = table(info, [object], { now })
    assert.equal(rows[0].cells.length, columnDefinitions.length, info.kind)
  }
})

test('the status of a pod', () => {
  const pod = (status: any, more: any = {}) => {
    const spec = { containers: [{ name: 'a' }, { name: 'b' }], ...more.spec }
    const row = table(infoOf('Pod'), [{ metadata: { ...created, ...more.metadata }, spec, status }], { now }).rows[0]
    return [...row.cells.slice(1, 4), row.conditions?.[0].reason]
  }
  const running = { ready: true, restartCount: 0, state: { running: {} } }
  const waiting = (reason: string) => ({ ready: false, restartCount: 0, state: { waiting: { reason } } })
  const done = (exitCode: number, reason?: string) => ({
    ready: false,
    restartCount: 0,
    state: { terminated: { exitCode, reason } },
  })
  for (const [got, want] of [
    [pod({ phase: 'Pending' }), ['0/2', 'Pending', '0', undefined]],
    [pod({ phase: 'Running', containerStatuses: [running, running] }), ['2/2', 'Running', '0', undefined]],
    [
      pod({ phase: 'Pending', containerStatuses: [waiting('ContainerCreating'), waiting('ContainerCreating')] }),
      ['0/2', 'ContainerCreating', '0', undefined],
    ],
    [
      pod({
        phase: 'Running',
        containerStatuses: [
          {
            ...waiting('CrashLoopBackOff'),
            restartCount: 3,
            lastState: { terminated: { finishedAt: '2026-01-01T00:58:00Z' } },
          },
          running,
        ],
      }),
      ['1/2', 'CrashLoopBackOff', '3 (2m ago)', undefined],
    ],
    [
      pod({ phase: 'Succeeded', containerStatuses: [done(0, 'Completed'), done(0, 'Completed')] }),
      ['0/2', 'Completed', '0', 'Succeeded'],
    ],
    [pod({ phase: 'Failed', containerStatuses: [done(3)] }), ['0/2', 'ExitCode:3', '0', 'Failed']],
    [
      pod({
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'False' }],
        containerStatuses: [done(0, 'Completed'), running],
      }),
      ['1/2', 'NotReady', '0', undefined],
    ],
    [pod({ phase: 'Failed', reason: 'Evicted' }), ['0/2', 'Evicted', '0', 'Failed']],
    [
      pod({ phase: 'Running', containerStatuses: [running, running] }, { metadata: { deletionTimestamp: 'x' } }),
      ['2/2', 'Terminating', '0', undefined],
    ],
    [
      pod(
        {
          phase: 'Pending',
          initContainerStatuses: [
            { name: 'i', ...done(0) },
            { name: 'j', state: { running: {} } },
          ],
        },
        { spec: { initContainers: [{ name: 'i' }, { name: 'j' }] } },
      ),
      ['0/2', 'Init:1/2', '0', undefined],
    ],
    [
      pod(
        { phase: 'Pending', initContainerStatuses: [{ name: 'i', ...waiting('CrashLoopBackOff'), restartCount: 1 }] },
        { spec: { initContainers: [{ name: 'i' }] } },
      ),
      ['0/2', 'Init:CrashLoopBackOff', '1', undefined],
    ],
    [
      pod(
        {
          phase: 'Running',
          initContainerStatuses: [{ name: 's', started: true, ...running }],
          containerStatuses: [running, running],
        },
        { spec: { initContainers: [{ name: 's', restartPolicy: 'Always' }] } },
      ),
      ['3/3', 'Running', '0', undefined],
    ],
    [
      pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] }),
      ['0/2', 'SchedulingGated', '0', undefined],
    ],
  ] as [unknown, unknown][])
    assert.deepEqual(got, want)
})

test('cells of other kinds', () => {
  assert.deepEqual(
    cells('Deployment', {
      spec: {
        replicas: 3,
        selector: { matchLabels: { a: 'b' } },
        template: { spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
      status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 },
    }),
    ['x', '2/3', 3, 2, '60m', 'c', 'i', 'a=b'],
  )
  assert.deepEqual(
    cells('Service', {
      spec: {
        type: 'NodePort',
        clusterIP: '10.0.0.1',
        ports: [{ port: 80, nodePort: 30000, protocol: 'TCP' }],
        selector: { b: 'c', a: 'b' },
      },
    }),
    ['x', 'NodePort', '10.0.0.1', '<none>', '80:30000/TCP', '60m', 'a=b,b=c'],
  )
  assert.deepEqual(cells('Service', { spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1' } }).slice(3, 5), [
    '<pending>',
    '<none>',
  ])
  assert.deepEqual(
    cells('Node', {
      metadata: { ...created, labels: { 'node-role.kubernetes.io/control-plane': '' } },
      spec: { unschedulable: true },
      status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.0' } },
    }).slice(1, 5),
    ['Ready,SchedulingDisabled', 'control-plane', '60m', 'v1.36.0'],
  )
  assert.deepEqual(
    cells('Job', {
      spec: { completions: 1, template: { spec: { containers: [] } } },
      status: {
        succeeded: 1,
        startTime: '2026-01-01T00:00:00Z',
        completionTime: '2026-01-01T00:00:05Z',
        conditions: [{ type: 'Complete', status: 'True' }],
      },
    }).slice(0, 5),
    ['x', 'Complete', '1/1', '5s', '60m'],
  )
  const endpoints = { subsets: [{ addresses: ['1', '2', '3', '4'].map((ip) => ({ ip })), ports: [{ port: 80 }] }] }
  assert.equal(cells('Endpoints', endpoints)[1], '1:80,2:80,3:80 + 1 more...')
  assert.equal(
    cells('HorizontalPodAutoscaler', {
      spec: {
        scaleTargetRef: { kind: 'Deployment', name: 'd' },
        maxReplicas: 3,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
        ],
      },
    })[2],
    'cpu: <unknown>/80%',
  )
})

test('JSON paths', () => {
  const object = {
    a: {
      'b.c': [
        { n: 'x', v: 1 },
        { n: 'y', v: 2 },
      ],
    },
    l: [1, 2, 3],
  }
  for (const [path, found] of [
    ['.l[1]', [2]],
    ['.l[-1]', [3]],
    ['.l[*]', [1, 2, 3]],
    [".a['b.c'][0].v", [1]],
    ['.a.b\\.c[?(@.n=="y")].v', [2]],
    ['{.l[0]}', [1]],
    ['.nope.deeper', []],
    ['.constructor', []],
    ['..x(', []],
  ] as const)
    assert.deepEqual(jsonPath(path, object), found, path)
})
