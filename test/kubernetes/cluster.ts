/** A real Kubernetes control plane on loopback, from programs: etcd, kube-apiserver, kube-controller-manager, kube-scheduler. */
import { ensurePki, type Pki, writeKubeconfig } from '#cluster'
import { CuddleError } from '#lib'
import { ask } from './access.ts'
import { startApiServer, startControllers, startEtcd } from './control-plane.ts'
import { endMachine, startMachine } from './node/machine.ts'
import { type RealNode, startNode, whyNoNode } from './node/node.ts'
import { createProcesses, freePorts } from './processes.ts'
import type { Programs } from './programs.ts'

export interface RealCluster {
  readonly url: string
  readonly port: number
  readonly pki: Pki
  /** Path of the administrator's. */
  readonly kubeconfig: string
  /** False where only etcd and kube-apiserver were to be had: nothing is collected, nothing terminates. */
  readonly controllers: boolean
  /** With the option `node`. */
  readonly node?: RealNode
  /** Ends its processes, by their handles, and waits until they are gone. */
  stop(): Promise<void>
}

export type Flags = Record<string, Record<string, string>>

const startUp = 60_000

/**
 * Starts all of it, RBAC and Pod Security on, with keys, state and logs under `home`; resolves when the API is ready, and with
 * `node` a real node as well. With `detached` the processes outlive this one. Throws with the end of the log of the one that died,
 * and when this machine cannot run a node.
 * @param options.flags further flags by name of the program, without dashes
 * @param options.started told of each process at once, so that somebody else can end it
 */
export async function startRealCluster(options: {
  home: string
  programs: Programs
  node?: boolean
  detached?: boolean
  started?: (name: string, pid: number) => void
  flags?: Flags | undefined
}): Promise<RealCluster> {
  const { home, programs } = options
  const reason = options.node && whyNoNode(programs)
  if (reason) throw new CuddleError('no-node', reason)
  const processes = createProcesses(options)
  const { start } = processes
  processes.start = (name, command, flags) => start(name, command, { ...flags, ...options.flags?.[name] })
  const stop = async () => {
    await endMachine(home)
    await processes.stop()
  }
  try {
    const pki = await ensurePki(home)
    const [etcd, peers, port] = await freePorts(3)
    const url = `https://127.0.0.1:${port}`
    const machine = options.node ? await startMachine(home) : undefined
    startEtcd(processes, programs, home, etcd, peers)
    startApiServer(processes, programs, { home, pki, port, etcd, machine })
    await processes.ready('kube-apiserver', async () => (await ask(pki, port, '/readyz'))?.status === 200, startUp)
    startControllers(processes, programs, { home, pki, url })
    return {
      url,
      port,
      pki,
      kubeconfig: writeKubeconfig(home, pki, url),
      controllers: programs.manager !== undefined,
      node: machine && (await startNode({ home, pki, apiPort: port, machine, programs, processes })),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
