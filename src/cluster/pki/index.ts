export { writeKubeconfig } from './kubeconfig.ts'
export { ensurePki, type Pki } from './pki.ts'
