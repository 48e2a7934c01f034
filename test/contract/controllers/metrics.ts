import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Kube, type ResourceType, Service } from '#kube'
import { rfc3339, systemClock } from '#lib'
import { until } from '#lib/testing'
import { issue, issueAuthority } from '../../../src/lib/x509/issue.ts'

const group = 'external.metrics.k8s.io'
const version = 'v1beta1'

/** An API server of External metrics that are what a scenario says; one for both clusters, behind an APIService of each. */
export class Metrics {
  readonly #values = new Map<string, number>()
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(t: { after(fn: () => void): void }): Promise<Metrics> {
    const authority = issueAuthority(systemClock.now(), 'metrics')
    const names = ['metrics.default.svc', 'localhost']
    const leaf = issue(authority, { commonName: names[0], server: true, names }, systemClock.now(), 'metrics')
    const server = createServer({ cert: leaf.cert, key: leaf.key })
    const metrics = new Metrics(server)
    server.on('request', (request, response) => {
      const [code, body] = metrics.#answer(new URL(request.url ?? '/', 'https://localhost').pathname)
      response.writeHead(code, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    return metrics
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  set(namespace: string, name: string, value: number): void {
    this.#values.set(`${namespace}/${name}`, value)
  }

  #answer(path: string): [number, object] {
    const [, , , , , namespace, metric] = path.split('/')
    if (namespace === undefined) {
      const resources = [
        { name: '*', singularName: '', namespaced: true, kind: 'ExternalMetricValueList', verbs: ['get'] },
      ]
      return [200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/${version}`, resources }]
    }
    const value = this.#values.get(`${namespace}/${metric}`)
    if (value === undefined) return [404, status(404, 'NotFound', `no metric ${metric}`)]
    const timestamp = rfc3339(systemClock.now())
    const item = { metricName: metric, metricLabels: {}, timestamp, value: String(value) }
    return [200, { kind: 'ExternalMetricValueList', apiVersion: `${group}/${version}`, metadata: {}, items: [item] }]
  }
}

function status(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code, reason, message }
}

const ApiService: ResourceType<any> = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  namespaced: false,
}

/** Gives a cluster's External metrics to the server, and waits until they are served. */
export async function registerMetrics(kube: Kube, metrics: Metrics): Promise<void> {
  const metadata = { name: 'metrics', namespace: 'default' }
  const spec = { type: 'ExternalName', externalName: 'localhost' }
  await kube.create(Service, { apiVersion: 'v1', kind: 'Service', metadata, spec } as any)
  const name = `${version}.${group}`
  await kube.create(ApiService, {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name },
    spec: {
      group,
      version,
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { ...metadata, port: metrics.port },
    },
  })
  const available = async () =>
    (await kube.get(ApiService, name)).status?.conditions?.some(
      (one: any) => one.type === 'Available' && one.status === 'True',
    )
  await until(available, { what: `${name} to be available`, timeoutMs: 30_000 })
}
