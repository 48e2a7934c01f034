/** A real node: kubelet and kube-proxy on the machine's own containerd, runc and CNI plugins, and a registry to pull from. */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pki } from '#cluster'
import { systemClock } from '#lib'
import { issue } from '../../../src/lib/x509/issue.ts'
import { ask, writeComponent } from '../access.ts'
import { freePorts, type Processes } from '../processes.ts'
import type { Programs } from '../programs.ts'
import { pluginFolders, writeNodeFiles } from './config.ts'
import type { Machine } from './machine.ts'
import { pushPause } from './pause.ts'

export interface RealNode {
  readonly name: string
  /** Of the node; its pods and Services have addresses of their own, all reachable from here. */
  readonly address: string
  /** The network of its pods, which this machine has a route to. */
  readonly pods: string
  /** `host:port` of a registry that speaks plain HTTP, by which images are pushed from here and named in pods. */
  readonly registry: string
}

const nodeName = 'node-1'
const patience = 60_000

/** Why this machine cannot run a node, in one line; undefined when it can. */
export function whyNoNode(programs: Programs): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a real node needs root on Linux'
  if (!programs.kubelet || !programs.proxy) return 'these programs have no kubelet: unset KUBEBUILDER_ASSETS'
  const commands = [
    'containerd',
    'containerd-shim-runc-v2',
    'runc',
    'docker-registry',
    'iptables',
    'ip',
    'nsenter',
    'unshare',
  ]
  const path = (process.env['PATH'] ?? '').split(':')
  const missing = commands.filter((command) => !path.some((folder) => existsSync(join(folder, command))))
  if (!pluginFolders.some((folder) => existsSync(join(folder, 'bridge')))) missing.push('CNI plugins')
  if (missing.length > 0) return `a real node needs ${missing.join(', ')}: sh test/kubernetes/node/tools.sh`
  const made = spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', 'true'], { encoding: 'utf8' })
  return made.status === 0 ? undefined : `a real node needs namespaces: ${made.stderr.trim()}`
}

/** Starts the programs of the node on `machine`; resolves when it is Ready, with kube-proxy working. */
export async function startNode(options: {
  home: string
  pki: Pki
  apiPort: number
  machine: Machine
  programs: Programs
  processes: Processes
}): Promise<RealNode> {
  const { home, pki, apiPort, machine, programs, processes } = options
  const [registryPort] = await freePorts(1)
  const registry = `127.0.0.1:${registryPort}`
  const url = `https://${machine.outside}:${apiPort}`
  const pair = issue(
    pki.ca,
    { commonName: `system:node:${nodeName}`, organization: 'system:nodes', server: true, names: [machine.address] },
    systemClock.now(),
  )
  const [certFile, keyFile] = [join(home, 'pki/kubelet.crt'), join(home, 'pki/kubelet.key')]
  writeFileSync(certFile, pair.cert)
  writeFileSync(keyFile, pair.key, { mode: 0o600 })
  const kubeletKubeconfig = writeComponent(home, pki, url, 'kubelet', {
    user: `system:node:${nodeName}`,
    group: 'system:nodes',
  })
  const files = writeNodeFiles({
    home,
    machine,
    registryPort,
    caFile: join(home, 'pki/ca.crt'),
    certFile,
    keyFile,
    proxyKubeconfig: writeComponent(home, pki, url, 'kube-proxy'),
    nodeName,
  })
  processes.start('registry', ['docker-registry', 'serve', registryConfig(home, registry)])
  processes.start('relay', [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'relay.ts'),
    `${machine.outside}:${apiPort}=127.0.0.1:${apiPort}`,
    `${machine.outside}:${registryPort}=${registry}`,
  ])
  processes.start('containerd', [...machine.enter, 'containerd', '--config', files.containerd])
  const answers = () =>
    fetch(`http://${registry}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    )
  await processes.ready('registry', answers, patience)
  await pushPause(join(home, 'pause'), `http://${registry}`)
  const socket = join(home, 'run/containerd/containerd.sock')
  await processes.ready('containerd', async () => existsSync(socket), patience)
  processes.start('kubelet', [...machine.enter, ...programs.kubelet!], {
    config: files.kubelet,
    kubeconfig: kubeletKubeconfig,
    'hostname-override': nodeName,
    'node-ip': machine.address,
  })
  processes.start('kube-proxy', [...machine.enter, ...programs.proxy!], { config: files.proxy })
  await processes.ready('kubelet', () => isReady(pki, apiPort), patience)
  return { name: nodeName, address: machine.address, pods: machine.pods, registry }
}

async function isReady(pki: Pki, port: number): Promise<boolean> {
  const answer = await ask(pki, port, `/api/v1/nodes/${nodeName}`)
  if (answer?.status !== 200) return false
  const conditions: { type: string; status: string }[] = JSON.parse(answer.text).status.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

function registryConfig(home: string, address: string): string {
  const path = join(home, 'registry.yml')
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(home, 'registry') } },
    http: { addr: address },
  }
  writeFileSync(path, JSON.stringify(config))
  return path
}
