/** How each program of the control plane is started. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pki } from '#cluster'
import { systemClock } from '#lib'
import { issue } from '../../src/lib/x509/issue.ts'
import { writeComponent } from './access.ts'
import type { Machine } from './node/machine.ts'
import type { Processes } from './processes.ts'
import type { Programs } from './programs.ts'

export function startEtcd(
  processes: Processes,
  programs: Programs,
  home: string,
  clients: number,
  peers: number,
): void {
  processes.start('etcd', programs.etcd, {
    'data-dir': join(home, 'etcd'),
    'listen-client-urls': `http://127.0.0.1:${clients}`,
    'advertise-client-urls': `http://127.0.0.1:${clients}`,
    'listen-peer-urls': `http://127.0.0.1:${peers}`,
    'initial-advertise-peer-urls': `http://127.0.0.1:${peers}`,
    'initial-cluster': `default=http://127.0.0.1:${peers}`,
    logger: 'zap',
  })
}

/** It listens on loopback; `machine`, where there is one, reaches it by a relay at the same port of its own end of the link. */
export function startApiServer(
  processes: Processes,
  programs: Programs,
  options: { home: string; pki: Pki; port: number; etcd: number; machine?: Machine },
): void {
  const { home, pki, port, etcd, machine } = options
  const file = (name: string) => join(home, 'pki', name)
  if (machine) writeServerCertificate(pki, machine, file('apiserver'))
  const serving = machine ? 'apiserver' : 'server'
  processes.start('kube-apiserver', programs.apiserver, {
    'etcd-servers': `http://127.0.0.1:${etcd}`,
    'bind-address': '127.0.0.1',
    'advertise-address': machine?.outside ?? '127.0.0.1',
    'secure-port': String(port),
    // The address of the Service "kubernetes" may not be of loopback; where no pods are, nobody keeps it.
    'endpoint-reconciler-type': machine ? 'lease' : 'none',
    'service-cluster-ip-range': machine?.services ?? '10.96.0.0/16',
    'client-ca-file': file('ca.crt'),
    'tls-cert-file': file(`${serving}.crt`),
    'tls-private-key-file': file(`${serving}.key`),
    'requestheader-client-ca-file': file('front-proxy-ca.crt'),
    'requestheader-allowed-names': 'front-proxy-client',
    'requestheader-username-headers': 'X-Remote-User',
    'requestheader-group-headers': 'X-Remote-Group',
    'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
    'proxy-client-cert-file': file('front-proxy-client.crt'),
    'proxy-client-key-file': file('front-proxy-client.key'),
    'kubelet-client-certificate': file('kubelet-client.crt'),
    'kubelet-client-key': file('kubelet-client.key'),
    'kubelet-certificate-authority': file('ca.crt'),
    'kubelet-preferred-address-types': 'InternalIP',
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': file('sa.pub'),
    'service-account-signing-key-file': file('sa.key'),
    'authorization-mode': 'Node,RBAC',
    'allow-privileged': 'true',
    ...(!programs.manager && { 'disable-admission-plugins': 'ServiceAccount' }),
  })
}

export function startControllers(
  processes: Processes,
  programs: Programs,
  { home, pki, url }: { home: string; pki: Pki; url: string },
): void {
  const file = (name: string) => join(home, 'pki', name)
  if (programs.manager) {
    processes.start('kube-controller-manager', programs.manager, {
      kubeconfig: writeComponent(home, pki, url, 'kube-controller-manager'),
      'service-account-private-key-file': file('sa.key'),
      'root-ca-file': file('ca.crt'),
      'cluster-signing-cert-file': file('ca.crt'),
      'cluster-signing-key-file': file('ca.key'),
      'use-service-account-credentials': 'true',
      'leader-elect': 'false',
      'secure-port': '0',
    })
  }
  if (programs.scheduler) {
    processes.start('kube-scheduler', programs.scheduler, {
      kubeconfig: writeComponent(home, pki, url, 'kube-scheduler'),
      'leader-elect': 'false',
      'secure-port': '0',
    })
  }
}

/** Of a server that pods know by the address of its Service as well. */
function writeServerCertificate(pki: Pki, { outside, services }: Machine, base: string): void {
  const service = services.replace(/0\/\d+$/, '1')
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']
  const pair = issue(
    pki.ca,
    { commonName: 'kube-apiserver', server: true, names: [...names, 'localhost', '127.0.0.1', outside, service] },
    systemClock.now(),
  )
  writeFileSync(`${base}.key`, pair.key, { mode: 0o600 })
  writeFileSync(`${base}.crt`, pair.cert)
}
