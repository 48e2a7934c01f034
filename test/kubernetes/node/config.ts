/** What the programs of a node are configured with. All paths are in the node's own view. */
import { existsSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.ts'
import { pauseImage } from './pause.ts'

export interface NodeFiles {
  containerd: string
  kubelet: string
  proxy: string
}

/** The magic of overlayfs (statfs(2)), on which there cannot be another one. */
const overlay = 0x794c7630

/** Where Debian, and where everybody else keeps CNI's plugins. */
export const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin']

export function writeNodeFiles(options: {
  home: string
  machine: Machine
  registryPort: number
  caFile: string
  certFile: string
  keyFile: string
  proxyKubeconfig: string
  nodeName: string
}): NodeFiles {
  const { home, machine, registryPort, caFile, certFile, keyFile, proxyKubeconfig, nodeName } = options
  const write = (name: string, content: string) => {
    const path = join(home, 'etc', name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, content)
    return path
  }
  write('cni/10-pods.conflist', json(network(machine)))
  const mirror = `http://${machine.outside}:${registryPort}`
  for (const host of [`127.0.0.1:${registryPort}`, `localhost:${registryPort}`, new URL(mirror).host]) {
    write(
      `certs.d/${host}/hosts.toml`,
      `server = "${mirror}"\n[host."${mirror}"]\ncapabilities = ["pull", "resolve"]\n`,
    )
  }
  const resolvConf = write('resolv.conf', '')
  return {
    containerd: write('containerd.toml', containerd(home, `127.0.0.1:${registryPort}/${pauseImage}`)),
    kubelet: write('kubelet.json', json(kubelet({ home, machine, caFile, certFile, keyFile, resolvConf }))),
    proxy: write('kube-proxy.json', json(proxy(machine, proxyKubeconfig, nodeName))),
  }
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2)
}

function network({ pods }: Machine): object {
  return {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: 'pods',
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: pods }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }
}

function containerd(home: string, pause: string): string {
  const snapshotter = statfsSync(home).type === overlay ? 'native' : 'overlayfs'
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"
[${cri}]
sandbox_image = "${pause}"
# Without CAP_SYS_RESOURCE, which containers of CI lack, runc cannot lower a score.
restrict_oom_score_adj = true
[${cri}.cni]
bin_dir = "${pluginFolders.find((folder) => existsSync(folder))}"
conf_dir = "${join(home, 'etc/cni')}"
[${cri}.registry]
config_path = "${join(home, 'etc/certs.d')}"
[${cri}.containerd]
snapshotter = "${snapshotter}"
default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
`
}

function kubelet(options: {
  home: string
  machine: Machine
  caFile: string
  certFile: string
  keyFile: string
  resolvConf: string
}): object {
  const { home, machine, caFile, certFile, keyFile, resolvConf } = options
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    address: machine.address,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: caFile } },
    authorization: { mode: 'Webhook' },
    tlsCertFile: certFile,
    tlsPrivateKeyFile: keyFile,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${machine.name}`,
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    oomScoreAdj: 0,
    // A disk that others fill evicts nobody, and no image goes.
    evictionHard: { 'nodefs.available': '1%', 'imagefs.available': '1%', 'memory.available': '50Mi' },
    imageGCHighThresholdPercent: 100,
    resolvConf,
    volumePluginDir: join(home, 'var/lib/kubelet/plugins'),
    serializeImagePulls: false,
  }
}

function proxy(machine: Machine, kubeconfig: string, nodeName: string): object {
  return {
    kind: 'KubeProxyConfiguration',
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    mode: 'iptables',
    clientConnection: { kubeconfig },
    clusterCIDR: machine.pods,
    hostnameOverride: nodeName,
    // 0 leaves the machine's limits as they are.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    oomScoreAdj: 0,
    iptables: { minSyncPeriod: '100ms' },
  }
}
