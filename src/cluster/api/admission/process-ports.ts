import { randomInt } from 'node:crypto'
import type { KubeObject } from '#kube'
import { idOf, type ResourceRequest } from '../request.ts'
import { forbidden } from '../status.ts'
import { containersOf, isNewPod, type Plugin } from './plugin.ts'

/** Tells the kubelet which port a port-forward to the template's number means: `8080=21234,…`. */
const annotation = 'cuddle.dev/process-ports'
const first = 20_000
const count = 10_000

/**
 * Pods of the embedded cluster are processes that share the host's ports. A container whose env says PORT=N for one of its own
 * containerPorts N gets a free number from 20000–29999 in both places; everything else finds it by the port's name.
 */
export function processPorts(): Plugin {
  // Who was given a port, as a hint: a pod that is gone, or was never stored, has given it back.
  const given = new Map<number, string>()
  let next = first + randomInt(count)

  function inUse(rr: ResourceRequest, port: number): boolean {
    const id = given.get(port)
    const pod = id === undefined ? undefined : rr.api.store.peek('core/pods', id)?.object
    return pod !== undefined && portsOf(pod).includes(port)
  }

  function take(rr: ResourceRequest, name: string, id: string): number {
    if (given.size === 0) {
      for (const { id: owner, object } of rr.api.store.list('core/pods')) {
        for (const port of portsOf(object)) given.set(port, owner)
      }
    }
    for (let step = 0; step < count; step++) {
      const port = next
      next = next + 1 < first + count ? next + 1 : first
      if (inUse(rr, port)) continue
      given.set(port, id)
      return port
    }
    throw forbidden(rr.info, name, `every port from ${first} to ${first + count - 1} is taken by a pod`)
  }

  return {
    mutate(rr, attributes) {
      if (!isNewPod(rr, attributes)) return
      const { metadata, spec } = attributes.object
      const rewritten: string[] = []
      for (const container of containersOf(spec)) {
        const variables = Array.isArray(container.env) ? container.env : []
        const variable = variables.find((one: any) => one?.name === 'PORT')
        if (!variable || !Array.isArray(container.ports)) continue
        const port = container.ports.find((one: any) => one && String(one.containerPort) === variable.value)
        if (!port) continue
        const number = take(rr, metadata.name!, idOf(rr.namespace, metadata.name!))
        rewritten.push(`${port.containerPort}=${number}`)
        port.containerPort = number
        variable.value = String(number)
      }
      if (rewritten.length > 0) metadata.annotations = { ...metadata.annotations, [annotation]: rewritten.join(',') }
    },
  }
}

function portsOf(pod: KubeObject): number[] {
  return containersOf(pod.spec)
    .flatMap((container) => (Array.isArray(container.ports) ? container.ports : []))
    .map((port: any) => Number(port?.containerPort))
    .filter((port) => port >= first && port < first + count)
}
