import type { KubeObject } from '#kube'
import { keepAnnotation, metadata, pathName } from './names.ts'
import type { CompileInput } from './types.ts'

export function claimName(app: string, process: string, path: string): string {
  return `${app}-${process}-${pathName(path)}`
}

/** The claims of a process. They outlive every release and are never pruned: data goes only with the app. */
export function claims(input: CompileInput, process: string, storage: Record<string, string>): KubeObject[] {
  return Object.entries(storage).map(([path, size]) => {
    const meta = metadata(input, claimName(input.app, process, path), process)
    return {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { ...meta, annotations: { ...meta.annotations, [keepAnnotation]: 'true' } },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } } },
    }
  })
}
