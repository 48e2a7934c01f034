import type { KubeObject } from '#kube'
import { metadata, objectName, selector } from './names.ts'
import { portName } from './pod.ts'
import { drainAnnotation, holdSeconds, leaveSeconds } from './stopping.ts'
import type { CompileInput } from './types.ts'

/** One stable address for the ready pods of a process. `web` answers on port 80, others on their own port. */
export function service(input: CompileInput, process: string, port: number): KubeObject {
  const name = portName(process)
  const meta = metadata(input, objectName(input.app, process), process)
  const hold = String(holdSeconds(input.spec.processes[process].drain) - leaveSeconds)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...meta, annotations: { ...meta.annotations, [drainAnnotation]: hold } },
    spec: {
      selector: selector(input.app, process),
      ports: [{ name, port: process === 'web' ? 80 : port, targetPort: name }],
    },
  }
}
