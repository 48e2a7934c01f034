/** A real Kubernetes control plane on loopback, from programs: etcd, kube-apiserver, kube-controller-manager, kube-scheduler. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { ensurePki, type Pki, writeKubeconfig } from '#cluster'
import { rfc3339, systemClock } from '#lib'
import { issue } from '../../src/lib/x509/issue.ts'
import type { Programs } from './programs.ts'

export interface RealCluster {
  readonly url: string
  readonly port: number
  readonly pki: Pki
  /** Path of the administrator's. */
  readonly kubeconfig: string
  /** False where only etcd and kube-apiserver were to be had: nothing is collected, nothing terminates. */
  readonly controllers: boolean
  readonly processes: readonly { name: string; pid: number }[]
  /** Ends its processes, by their handles, and waits until they are gone. */
  stop(): Promise<void>
}

const startUp = 60_000

/**
 * Starts all of it, RBAC and Pod Security on, with keys, state and logs under `home`; resolves when the API is ready. With
 * `detached` the processes outlive this one. Throws with the end of the log of the one that died.
 */
export async function startRealCluster(options: {
  home: string
  programs: Programs
  detached?: boolean
}): Promise<RealCluster> {
  const { home, programs } = options
  mkdirSync(join(home, 'log'), { recursive: true })
  const pki = await ensurePki(home)
  const [etcd, peers, port] = await freePorts(3)
  const file = (name: string) => join(home, 'pki', name)
  const url = `https://127.0.0.1:${port}`
  const kubeconfig = writeKubeconfig(home, pki, url)
  const children: { name: string; child: ChildProcess }[] = []
  const stop = () => stopAll(children)
  const start = (name: string, command: readonly string[], flags: Record<string, string>) => {
    const log = openSync(join(home, 'log', `${name}.log`), 'a')
    const args = [...command.slice(1), ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)]
    const child = spawn(command[0], args, { stdio: ['ignore', log, log], detached: options.detached, cwd: home })
    closeSync(log)
    // A program that cannot be started is a child without a pid; `ready` tells.
    child.on('error', () => {})
    if (options.detached) child.unref()
    children.push({ name, child })
  }
  start('etcd', programs.etcd, {
    'data-dir': join(home, 'etcd'),
    'listen-client-urls': `http://127.0.0.1:${etcd}`,
    'advertise-client-urls': `http://127.0.0.1:${etcd}`,
    'listen-peer-urls': `http://127.0.0.1:${peers}`,
    'initial-advertise-peer-urls': `http://127.0.0.1:${peers}`,
    'initial-cluster': `default=http://127.0.0.1:${peers}`,
    logger: 'zap',
  })
  start('kube-apiserver', programs.apiserver, {
    'etcd-servers': `http://127.0.0.1:${etcd}`,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': String(port),
    // The address of the Service "kubernetes" may not be of loopback, so nobody keeps it.
    'endpoint-reconciler-type': 'none',
    'service-cluster-ip-range': '10.96.0.0/16',
    'client-ca-file': file('ca.crt'),
    'tls-cert-file': file('server.crt'),
    'tls-private-key-file': file('server.key'),
    'kubelet-client-certificate': file('kubelet-client.crt'),
    'kubelet-client-key': file('kubelet-client.key'),
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': file('sa.pub'),
    'service-account-signing-key-file': file('sa.key'),
    'authorization-mode': 'Node,RBAC',
    'allow-privileged': 'true',
    ...(!programs.manager && { 'disable-admission-plugins': 'ServiceAccount' }),
  })
  try {
    await ready(pki, port, children, home)
    if (programs.manager) {
      start('kube-controller-manager', programs.manager, {
        kubeconfig: component(home, pki, url, 'kube-controller-manager'),
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
      start('kube-scheduler', programs.scheduler, {
        kubeconfig: component(home, pki, url, 'kube-scheduler'),
        'leader-elect': 'false',
        'secure-port': '0',
      })
    }
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url,
    port,
    pki,
    kubeconfig,
    controllers: programs.manager !== undefined,
    processes: children.map(({ name, child }) => ({ name, pid: child.pid! })),
    stop,
  }
}

/** A kubeconfig of a component with just the rights that RBAC's bootstrap roles give it. */
function component(home: string, pki: Pki, url: string, name: string): string {
  const pair = issue(pki.ca, { commonName: `system:${name}`, client: true }, systemClock.now())
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const path = join(home, `${name}.kubeconfig`)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server: url, 'certificate-authority-data': base64(pki.ca.cert) } }],
    users: [
      {
        name,
        user: { 'client-certificate-data': base64(pair.cert), 'client-key-data': base64(pair.key) },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
  }
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
  return path
}

async function ready(
  pki: Pki,
  port: number,
  children: readonly { name: string; child: ChildProcess }[],
  home: string,
): Promise<void> {
  const deadline = systemClock.now() + startUp
  for (;;) {
    const dead = children.find(({ child }) => child.pid === undefined || child.exitCode !== null)
    if (dead || systemClock.now() > deadline) {
      const name = dead?.name ?? 'kube-apiserver'
      const log = join(home, 'log', `${name}.log`)
      const end = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-12).join('\n') : ''
      throw new Error(`${name} ${dead ? 'ended' : 'is not ready'} at ${rfc3339(systemClock.now())}:\n${end}`)
    }
    if (await answers(pki, port)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function answers(pki: Pki, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const { cert, key } = pki.admin
    const outgoing = request({ port, host: '127.0.0.1', path: '/readyz', ca: pki.ca.cert, cert, key, agent: false })
    outgoing.setTimeout(2_000, () => outgoing.destroy())
    outgoing.on('error', () => resolve(false))
    outgoing.on('response', (incoming) => {
      incoming.resume()
      resolve(incoming.statusCode === 200)
    })
    outgoing.end()
  })
}

async function stopAll(children: readonly { name: string; child: ChildProcess }[]): Promise<void> {
  // Clients before servers: nobody complains of a server that has gone.
  for (const { child } of [...children].reverse()) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await gone
    clearTimeout(patience)
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
