import type { Server } from './servers.ts'
import { openClients } from './wire.ts'

/** A pod as deployments make them, of about 1.8 KB once it has been defaulted. Without ports, of which the embedded cluster gives out 10,000. */
export function benchPod(name: string, extra: { labels?: Record<string, string>; spec?: object } = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench', 'pod-template-hash': '5d4f8c7b9', ...extra.labels } },
    spec: {
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'web',
          image:
            'registry.example.com/bench/web@sha256:5c7d4b2f4c9d1e0c4e8f3a1b2c3d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6',
          env: [
            { name: 'PORT', value: '8080' },
            { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 5 },
        },
      ],
      ...extra.spec,
    },
  }
}

/** Makes a namespace with `count` pods in it. */
export async function fillPods(
  server: Server,
  namespace: string,
  count: number,
  make: (index: number) => object = (index) => benchPod(`pod-${index}`),
): Promise<void> {
  await makeNamespace(server, namespace)
  const clients = await openClients(server, 16)
  const path = `/api/v1/namespaces/${namespace}/pods`
  await clients.rate(count, (index) => ({ method: 'POST', path, body: JSON.stringify(make(index)) }))
  clients.close()
}

/** With the ServiceAccount that a controller would make. */
async function makeNamespace({ kube }: Server, name: string): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
  await kube.request('POST', '/api/v1/namespaces', { body })
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }
  const path = `/api/v1/namespaces/${name}/serviceaccounts`
  await kube.request('POST', path, { body: account }).catch((error) => {
    if (error.code !== 409) throw error
  })
}
