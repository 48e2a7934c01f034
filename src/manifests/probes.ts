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
export function probes(health: HealthSpec, port: string): Probes {
  const check: objects.Probe =
    health.path === undefined ? { tcpSocket: { port } } : { httpGet: { path: health.path, port } }
  const { timeout } = health
  return {
    startupProbe: { ...check, periodSeconds: 1, timeoutSeconds: timeout, failureThreshold: health.start },
    readinessProbe: {
      ...check,
      periodSeconds: health.interval,
      timeoutSeconds: timeout,
      failureThreshold: health.failures,
    },
    livenessProbe: { ...check, periodSeconds: 10, timeoutSeconds: Math.max(timeout, 5), failureThreshold: 6 },
  }
}
