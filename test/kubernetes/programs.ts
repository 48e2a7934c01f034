import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The command of each program, as argv. */
export interface Programs {
  etcd: readonly string[]
  apiserver: readonly string[]
  manager?: readonly string[]
  scheduler?: readonly string[]
  kubelet?: readonly string[]
  proxy?: readonly string[]
}

/**
 * Where the programs of a control plane are: in the folder KUBEBUILDER_ASSETS (envtest's convention), else what build.sh has
 * built. Without `build` nothing is built that is not there. The reason when they are not to be had.
 */
export function findPrograms(env: NodeJS.ProcessEnv, options: { build: boolean }): Programs | { missing: string } {
  const assets = env['KUBEBUILDER_ASSETS']
  if (assets) return fromAssets(assets)
  let program: string
  try {
    const args = [join(import.meta.dirname, 'build.sh'), ...(options.build ? [] : ['--cached'])]
    program = execFileSync('sh', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
  } catch (error) {
    const none = (error as { status?: number }).status === 69
    return { missing: none ? 'no Kubernetes was built: sh test/kubernetes/build.sh' : 'Kubernetes could not be built' }
  }
  return {
    etcd: [program, 'etcd'],
    apiserver: [program, 'kube-apiserver'],
    manager: [program, 'kube-controller-manager'],
    scheduler: [program, 'kube-scheduler'],
    kubelet: [program, 'kubelet'],
    proxy: [program, 'kube-proxy'],
  }
}

function fromAssets(folder: string): Programs | { missing: string } {
  const named = (name: string) => (existsSync(join(folder, name)) ? [join(folder, name)] : undefined)
  const etcd = named('etcd')
  const apiserver = named('kube-apiserver')
  if (!etcd || !apiserver) return { missing: `KUBEBUILDER_ASSETS has no etcd and kube-apiserver: ${folder}` }
  return { etcd, apiserver, manager: named('kube-controller-manager'), scheduler: named('kube-scheduler') }
}
