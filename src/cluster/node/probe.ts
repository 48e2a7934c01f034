import { connect } from 'node:net'
import type { objects } from '#kube'
import { errorMessage, exec, nodeHttp, nodeHttps } from '#lib'

export interface ProbeTarget {
  podIP: string
  ports: readonly objects.ContainerPort[]
  /** For exec probes: the container's environment and directory. */
  env: Record<string, string>
  cwd: string
  /** What goes before such a command, so that it runs in the container's view of the file system. */
  prefix: readonly string[]
}

export interface ProbeReply {
  ok: boolean
  /** What the container answered, or why it did not; for people. */
  message: string
}

type Handler = Pick<objects.Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'>

/** One attempt of a probe. Never throws. A gRPC probe is answered by its port being open: the health service is not called. */
export async function runProbe(handler: Handler, target: ProbeTarget, timeoutMs: number): Promise<ProbeReply> {
  try {
    if (handler.exec) return await execProbe(handler.exec.command ?? [], target, timeoutMs)
    if (handler.httpGet) return await httpProbe(handler.httpGet, target, timeoutMs)
    if (handler.tcpSocket) {
      return await tcpProbe(
        handler.tcpSocket.host || target.podIP,
        portNumber(handler.tcpSocket.port, target),
        timeoutMs,
      )
    }
    if (handler.grpc) return await tcpProbe(target.podIP, handler.grpc.port, timeoutMs)
    return { ok: true, message: '' }
  } catch (error) {
    return { ok: false, message: errorMessage(error) }
  }
}

/** A port as a number or the name of a container port. Throws when there is no such name. */
export function portNumber(port: string | number, target: Pick<ProbeTarget, 'ports'>): number {
  if (typeof port === 'number') return port
  const named = target.ports.find(({ name }) => name === port)
  if (named) return named.containerPort
  if (/^\d+$/.test(port)) return Number(port)
  throw new Error(`the container has no port named "${port}"`)
}

async function execProbe(command: readonly string[], target: ProbeTarget, timeoutMs: number): Promise<ProbeReply> {
  const [program, ...args] = [...target.prefix, ...command]
  const result = await exec(program, args, { cwd: target.cwd, env: target.env, timeoutMs, maxBuffer: 10_000 })
  const output = (result.stdout + result.stderr).trim()
  if (result.timedOut)
    return { ok: false, message: `command ${JSON.stringify(command[0])} timed out after ${timeoutMs} ms` }
  if (result.code === 0) return { ok: true, message: output }
  return { ok: false, message: `command exited with ${result.code ?? result.signal}${output ? `: ${output}` : ''}` }
}

function tcpProbe(host: string, port: number, timeoutMs: number): Promise<ProbeReply> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const finish = (reply: ProbeReply) => {
      socket.destroy()
      resolve(reply)
    }
    socket.on('connect', () => finish({ ok: true, message: '' }))
    socket.on('timeout', () => finish({ ok: false, message: `dial tcp ${host}:${port}: i/o timeout` }))
    socket.on('error', (error) => finish({ ok: false, message: `dial tcp ${host}:${port}: ${networkReason(error)}` }))
  })
}

async function httpProbe(action: objects.HTTPGetAction, target: ProbeTarget, timeoutMs: number): Promise<ProbeReply> {
  const host = action.host || target.podIP
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const path = action.path || '/'
  let url = new URL(`${scheme}://${host}:${portNumber(action.port, target)}${path.startsWith('/') ? '' : '/'}${path}`)
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.36', accept: '*/*', connection: 'close' }
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value
  for (let redirects = 0; ; redirects++) {
    const { status, location, body } = await get(url, headers, timeoutMs)
    const next = status >= 300 && status < 400 && location ? URL.parse(location, url) : undefined
    // A redirect to another host proves that the app answers; only its own ones are followed (kubelet prober/http).
    if (next && next.hostname === url.hostname && redirects < 10) {
      url = next
      continue
    }
    if (status >= 200 && status < 400) return { ok: true, message: body }
    return { ok: false, message: `HTTP probe failed with statuscode: ${status}${body ? `: ${body}` : ''}` }
  }
}

interface Answer {
  status: number
  location: string | undefined
  body: string
}

const bodyBytes = 512

async function get(url: URL, headers: Record<string, string>, timeoutMs: number): Promise<Answer> {
  const { request: send } = url.protocol === 'https:' ? nodeHttps() : nodeHttp()
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`Get "${url.href}": ${why}`))
    const options = { headers, agent: false as const, rejectUnauthorized: false, timeout: timeoutMs }
    const request = send(url, options, (response) => {
      let body = ''
      const finish = () => {
        request.destroy()
        resolve({
          status: response.statusCode ?? 0,
          location: response.headers.location,
          body: body.slice(0, bodyBytes).trim(),
        })
      }
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
        if (body.length >= bodyBytes) finish()
      })
      response.on('end', finish)
      response.on('error', finish)
    })
    request.on('timeout', () => {
      fail(`no answer within ${timeoutMs} ms`)
      request.destroy()
    })
    request.on('error', (error) => fail(networkReason(error)))
    request.end()
  })
}

function networkReason(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'connection refused'
  if (code === 'ECONNRESET') return 'connection reset by peer'
  return error.message
}
