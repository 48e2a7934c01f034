import type { objects } from '#kube'
import type { HealthSpec } from '#spec'

export interface Probes {
  startupProbe: objects.Probe
  readinessProbe: objects.Probe
  livenessProbe: objects.Probe
}

/**
 * Startup asks every second, so that a pod serves as soon as it can and slow boots are not killed; readiness decides about
 * traffic; liveness is slow to judge (a minute), because a restart cures a hang but makes an overload worse.
 */
export function probes({ path, interval, timeout, failures, start }: HealthSpec, port: string): Probes {
  return {
    startupProbe: probe(path, port, 1, timeout, start),
    readinessProbe: probe(path, port, interval, timeout, failures),
    livenessProbe: probe(path, port, 10, Math.max(timeout, 5), 6),
  }
}

function probe(
  path: string | undefined,
  port: string,
  periodSeconds: number,
  timeoutSeconds: number,
  failureThreshold: number,
): objects.Probe {
  if (path === undefined) return { tcpSocket: { port }, periodSeconds, timeoutSeconds, failureThreshold }
  return { httpGet: { path, port }, periodSeconds, timeoutSeconds, failureThreshold }
}
