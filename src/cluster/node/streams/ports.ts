import type { objects } from '#kube'

/** Written by the API server's ProcessPorts: `8080=21234,…`, what the template says and what the pod got. */
export const portsAnnotation = 'cuddle.dev/process-ports'

/**
 * The port to connect to when a client asks for `port`: process pods share the machine's ports, so the number that the
 * template names (8080) stands for the one the pod was given. `own`: it is one of the pod's container ports.
 */
export function podPort(pod: objects.Pod, port: number): { port: number; own: boolean } {
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? [])
  const isOwn = (number: number) => ports.some(({ containerPort }) => containerPort === number)
  if (isOwn(port)) return { port, own: true }
  for (const pair of (pod.metadata?.annotations?.[portsAnnotation] ?? '').split(',')) {
    const [asked, given] = pair.split('=').map(Number)
    if (asked === port && isOwn(given)) return { port: given, own: true }
  }
  return { port, own: false }
}
