import type { KubeObject } from '#kube'
import { metadata, objectName, selector } from './names.ts'
import { portName } from './pod.ts'
import type { CompileInput } from './types.ts'

/** One stable address for the ready pods of a process. `web` answers on port 80, others on their own port. */
export function service(input: CompileInput, process: string, port: number): KubeObject {
  const name = portName(process)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(input, objectName(input.app, process), process),
    spec: {
      selector: selector(input.app, process),
      ports: [{ name, port: process === 'web' ? 80 : port, targetPort: name }],
    },
  }
}
