import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { objects } from '#kube'
import type { Clock } from '#lib'
import { acceptPortForward, acceptRemoteCommand, refuse, type StreamRequest } from '../../streams/index.ts'
import type { Running } from '../running.ts'
import { attachTo } from './attach.ts'
import { execCommand } from './exec.ts'
import { podPort } from './ports.ts'

/** Where streams lead to; a text says what is missing, and `code` when that is not 404. */
export interface StreamSource {
  container(
    namespace: string,
    pod: string,
    container: string,
  ): { running: Running; cgroups: readonly string[] } | { missing: string; code?: number }
  pod(namespace: string, pod: string): { pod: objects.Pod; ip: string } | { missing: string }
}

/** Serves an upgraded connection: `/exec` and `/attach` of a container, `/portForward` of a pod. */
export async function serveUpgrade(
  source: StreamSource,
  clock: Clock,
  request: IncomingMessage,
  socket: Duplex,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://kubelet')
  const [kind, namespace, pod, container, ...more] = url.pathname.slice(1).split('/').map(decodeURIComponent)
  const query = url.searchParams
  if (kind === 'portForward' && pod && container === undefined) {
    const found = source.pod(namespace, pod)
    if ('missing' in found) return refuse(socket, 404, found.missing)
    return acceptPortForward(request, socket, query, (port) => dial(found.ip, podPort(found.pod, port)))
  }
  if ((kind !== 'exec' && kind !== 'attach') || !container || more.length > 0)
    return refuse(socket, 404, 'page not found')
  const found = source.container(namespace, pod, container)
  if ('missing' in found) return refuse(socket, found.code ?? 404, found.missing)
  const wants = streamRequest(query)
  if (!wants.stdin && !wants.stdout && !wants.stderr)
    return refuse(socket, 400, 'you must specify at least 1 of stdin, stdout, stderr')
  const command = query.getAll('command')
  if (kind === 'exec' && !command[0]) return refuse(socket, 400, 'you must specify at least 1 command')
  const streams = await acceptRemoteCommand(request, socket, wants, clock)
  if (!streams) return
  const { running, cgroups } = found
  if (kind === 'attach') return attachTo(streams, running.attempt, running.container, clock)
  const { prefix, env, cwd } = running.target
  const cgroupFiles = cgroups.map((directory) => `${directory}/cgroup.procs`)
  return execCommand(streams, command, wants.tty, { prefix, env, cwd, cgroupFiles }, clock)
}

function streamRequest(query: URLSearchParams): StreamRequest {
  const flag = (name: string) => ['1', 'true'].includes(query.get(name) ?? '')
  const tty = flag('tty')
  return { stdin: flag('input'), stdout: flag('output'), stderr: flag('error') && !tty, tty }
}

/** Connects to a port of the pod; an app that listens on 127.0.0.1 only is found when the port is the pod's own. */
async function dial(ip: string, { port, own }: { port: number; own: boolean }): Promise<Socket> {
  try {
    return await open(ip, port)
  } catch (error) {
    if (!own) throw error
    return open('127.0.0.1', port).catch(() => {
      throw error
    })
  }
}

function open(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}
