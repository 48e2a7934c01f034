import type { objects } from '#kube'
import type { Size } from '#spec'

/**
 * Memory is a limit as well as a request: a node never promises memory twice, and whoever grows past its size is the one
 * that dies. CPU is a request only: a limit throttles (the BEAM's schedulers first) while the node has cores to spare.
 */
export function resources(size: Size): objects.ResourceRequirements {
  return { requests: { cpu: size.cpu, memory: size.memory }, limits: { memory: size.memory } }
}
