import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type Clock, errorMessage, exec, KeyedMutex, type Logger } from '#lib'
import { advertisedRefs, capabilitiesIn } from './advertisement.ts'
import { type GitUrl, parseGitUrl, type Service } from './names.ts'
import { flush, packet } from './pkt-line.ts'
import type { Push } from './push.ts'
import { closed, receivePack } from './receive.ts'
import { ensureRepository, removeRepository } from './repository.ts'

export interface GitServerOptions {
  /** The folder of the bare repositories. */
  root: string
  clock: Clock
  log: Logger
  /** Of this only PATH is handed to git. */
  hostEnv: Record<string, string | undefined>
  /** Who it is, or undefined when user and password do not fit. */
  authenticate: (user: string, password: string) => Promise<string | undefined>
  access: (app: string) => Promise<'ok' | 'missing'>
  /** Deploys. The refs move only when the result is ok; a throw is shown to the pusher and refuses. */
  onPush: (push: Push) => Promise<{ ok: boolean }>
  /** Largest pack that is taken, bytes. @default 1 GiB */
  maxPackBytes?: number
}

export interface GitServer {
  /** Answers a request; false when its URL has nothing to do with git, and nothing was done. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<boolean>
  /** Makes the bare repository of an app when it is missing; returns its path. */
  ensureRepository(app: string): Promise<string>
  /** Waits for a push under way, then removes the repository. */
  removeRepository(app: string): Promise<void>
  /** Packs loose objects when there are many. For idle times; pushes never do it. */
  collectGarbage(app: string): Promise<void>
}

/** Smart HTTP (gitprotocol-http) with the machine's own git: pushes through receive-pack, fetches through upload-pack. */
export function createGitServer(options: GitServerOptions): GitServer {
  const { root, log, maxPackBytes = 2 ** 30 } = options
  const mutex = new KeyedMutex()
  let capabilities: string | undefined
  const ready = new Map<string, Promise<string>>()

  // No configuration of the machine or of a user, no prompts, nothing of our own environment but PATH.
  const env: Record<string, string> = {
    PATH: options.hostEnv['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: root,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
  }

  const repository = (app: string): Promise<string> => {
    let path = ready.get(app)
    if (!path) {
      path = ensureRepository(root, app, maxPackBytes)
      ready.set(app, path)
      path.catch(() => ready.delete(app))
    }
    return path
  }

  async function answer(url: GitUrl, req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (url.kind === 'invalid') return plain(res, 404, 'no such repository\n')
    const user = await authenticated(req, options.authenticate)
    if (user === undefined) {
      res.setHeader('WWW-Authenticate', 'Basic realm="Cuddle", charset="UTF-8"')
      return plain(res, 401, 'a token is needed: cuddle create sets it up\n')
    }
    const { app, service } = url
    if ((await options.access(app)) === 'missing') {
      ready.delete(app)
      // Git shows the body of no 404; it does show this packet, as "fatal: remote error: …".
      if (url.kind === 'rpc') return plain(res, 404, 'no such app\n')
      head(res, service, 'advertisement')
      res.end(
        `${packet(`# service=${service}\n`)}${flush}${packet(`ERR no such app ${app}; create it: cuddle create ${app}`)}`,
      )
      return
    }
    const gitDir = await repository(app)
    if (url.kind === 'refs') {
      if (req.method !== 'GET') return plain(res, 405, 'GET only\n')
      return advertise(service, gitDir, req, res)
    }
    if (req.method !== 'POST') return plain(res, 405, 'POST only\n')
    if (req.headers['content-type'] !== `application/x-${service}-request`)
      return plain(res, 415, 'not a git request\n')
    const input = bodyOf(req)
    if (!input) return plain(res, 415, 'unknown content encoding\n')
    if (service === 'git-upload-pack') return upload(gitDir, input, req, res)
    const gone = new AbortController()
    res.on('close', () => {
      if (!res.writableFinished) gone.abort()
    })
    head(res, service, 'result')
    const { onPush } = options
    await receivePack({
      app,
      user,
      gitDir,
      env,
      input,
      output: res,
      maxPackBytes,
      onPush,
      mutex,
      log,
      signal: gone.signal,
    })
    res.end()
  }

  async function advertise(service: Service, gitDir: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (service === 'git-receive-pack') {
      const refs = capabilities === undefined ? undefined : await advertisedRefs(gitDir, capabilities)
      if (refs !== undefined) {
        head(res, service, 'advertisement')
        res.end(`${packet(`# service=${service}\n`)}${flush}${refs}`)
        return
      }
      const { stdout } = await exec('git', ['receive-pack', '--stateless-rpc', '--advertise-refs', '.'], {
        cwd: gitDir,
        env,
      })
      capabilities = capabilitiesIn(Buffer.from(stdout))
      head(res, service, 'advertisement')
      res.end(`${packet(`# service=${service}\n`)}${flush}${stdout}`)
      return
    }
    const protocol = protocolOf(req)
    head(res, service, 'advertisement')
    if (!protocol?.includes('version=2')) res.write(packet(`# service=${service}\n`) + flush)
    await run(['upload-pack', '--stateless-rpc', '--advertise-refs', '.'], gitDir, protocol, undefined, res)
  }

  async function upload(gitDir: string, input: Readable, req: IncomingMessage, res: ServerResponse): Promise<void> {
    head(res, 'git-upload-pack', 'result')
    await run(['upload-pack', '--stateless-rpc', '.'], gitDir, protocolOf(req), input, res)
  }

  async function run(
    args: string[],
    cwd: string,
    protocol: string | undefined,
    input: Readable | undefined,
    res: ServerResponse,
  ): Promise<void> {
    const child = spawn('git', args, {
      cwd,
      env: protocol ? { ...env, GIT_PROTOCOL: protocol } : env,
      stdio: [input ? 'pipe' : 'ignore', 'pipe', 'ignore'],
    })
    const ended = closed(child)
    if (input) {
      child.stdin!.on('error', () => {})
      input.on('error', () => child.kill())
      input.pipe(child.stdin!)
    }
    res.on('close', () => child.kill())
    child.stdout!.pipe(res)
    const code = await ended
    if (code !== 0 && code !== null) log.debug({ args, code }, 'git failed')
  }

  return {
    async handle(req, res) {
      const url = parseGitUrl(req.url ?? '/')
      if (!url) return false
      try {
        await answer(url, req, res)
      } catch (error) {
        log.error({ url: req.url, error: errorMessage(error) }, 'git request failed')
        if (res.headersSent) res.destroy()
        else plain(res, 500, 'the request failed; see the platform log\n')
      }
      return true
    },
    ensureRepository: repository,
    removeRepository(app) {
      return mutex.run(app, async () => {
        ready.delete(app)
        await removeRepository(root, app)
      })
    },
    async collectGarbage(app) {
      const cwd = await repository(app)
      await mutex.run(app, () =>
        exec('git', ['-c', 'gc.auto=1000', '-c', 'gc.autoDetach=false', 'gc', '--auto', '--quiet'], { cwd, env }),
      )
    },
  }
}

function head(res: ServerResponse, service: Service, what: 'advertisement' | 'result'): void {
  res.writeHead(200, {
    'Content-Type': `application/x-${service}-${what}`,
    'Cache-Control': 'no-cache, max-age=0, must-revalidate',
  })
}

function plain(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text)
}

async function authenticated(
  req: IncomingMessage,
  authenticate: GitServerOptions['authenticate'],
): Promise<string | undefined> {
  const match = /^Basic\s+([A-Za-z0-9+/]+=*)\s*$/i.exec(req.headers.authorization ?? '')
  if (!match) return undefined
  const text = Buffer.from(match[1], 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : authenticate(text.slice(0, colon), text.slice(colon + 1))
}

function protocolOf(req: IncomingMessage): string | undefined {
  const value = req.headers['git-protocol']
  return typeof value === 'string' && /^[a-z0-9=:]{1,64}$/i.test(value) ? value : undefined
}

function bodyOf(req: IncomingMessage): Readable | undefined {
  const encoding = req.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return req
  if (encoding !== 'gzip' && encoding !== 'x-gzip') return undefined
  const gunzip = createGunzip()
  req.on('error', (error) => gunzip.destroy(error))
  return req.pipe(gunzip)
}
