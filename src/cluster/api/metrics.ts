import type { Api, ApiRequest, ApiResponse } from './request.ts'

/** `/metrics` in Prometheus' text format. */
export function metrics(api: Api, request: ApiRequest): ApiResponse | undefined {
  if (request.path !== '/metrics') return undefined
  const { cpuUsage, memoryUsage } = process
  const cpu = cpuUsage()
  const lines = [
    '# TYPE process_cpu_seconds_total counter',
    `process_cpu_seconds_total ${(cpu.user + cpu.system) / 1e6}`,
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${memoryUsage.rss()}`,
    '# TYPE apiserver_longrunning_requests gauge',
    `apiserver_longrunning_requests{verb="WATCH"} ${api.counters.watches}`,
    '# TYPE cuddle_store_revision counter',
    `cuddle_store_revision ${api.store.revision}`,
    '# TYPE apiserver_storage_objects gauge',
    ...api.store
      .resources()
      .map((name) => `apiserver_storage_objects{resource="${label(name)}"} ${api.store.count(name)}`),
    '# TYPE apiserver_request_total counter',
    ...[...api.counters.requests].map(([key, count]) => {
      const [verb, code] = key.split(' ')
      return `apiserver_request_total{verb="${verb}",code="${code}"} ${count}`
    }),
  ]
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: Buffer.from(`${lines.join('\n')}\n`),
  }
}

/** `apps/deployments` as `deployments.apps`. */
function label(resource: string): string {
  const [group, plural] = resource.split('/')
  return group === 'core' ? plural : `${plural}.${group}`
}
