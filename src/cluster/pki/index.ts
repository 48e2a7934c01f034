export type { Issued } from './issue.ts'
export { writeKubeconfig } from './kubeconfig.ts'
export { ensurePki, type Pki } from './pki.ts'
