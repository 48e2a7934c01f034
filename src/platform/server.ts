import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { createGitServer, objectFolders, type Push, parseCommit, readLoose } from '#git'
import { extractLayer } from '#image'
import type { Kube } from '#kube'
import { type Clock, CuddleError, errorMessage, exec, type Logger, nodeHttp } from '#lib'
import { credentials, platformToken, sameSecret } from './access.ts'
import type { Builder } from './build/index.ts'
import type { Context } from './context.ts'
import { deploy } from './deploy.ts'
import { servingRelease } from './follow.ts'
import { DeployGate } from './gate.ts'
import type { Ahead } from './hot-release/index.ts'
import { App, type ReleaseObject } from './kinds.ts'
import { rolloutChoice } from './push-options.ts'

export interface PlatformServerOptions {
  kube: Kube
  clock: Clock
  log: Logger
  builder: Builder
  /** Looks at running pods while their new code is built. */
  ahead?: Ahead
  /** Directory of the bare repositories. */
  gitRoot: string
  /** Directory for uploads while they are built. */
  uploads: string
  host: string
  port: number
  /** PATH and LANG for git. */
  hostEnv: Record<string, string>
  /** Aborts running pushes. */
  signal: AbortSignal
}

export interface PlatformServer {
  port: number
  removeRepository(app: string): Promise<void>
  packRepository(app: string): Promise<void>
  /** True while source is being turned into a release. */
  busy(): boolean
  close(): Promise<void>
}

/** Git over HTTP and folder uploads: where source comes in. */
export async function startPlatformServer(options: PlatformServerOptions): Promise<PlatformServer> {
  const { kube, clock, log } = options
  const token = await platformToken(kube)
  const gate = new DeployGate()
  const authenticate = async (user: string, password: string) =>
    sameSecret(password, token) ? user || 'git' : undefined
  const git = createGitServer({
    root: options.gitRoot,
    clock,
    log,
    hostEnv: options.hostEnv,
    authenticate,
    access: async (app) => ((await kube.find(App, app)) ? 'ok' : 'missing'),
    onPush: (push) => gate.run(push.app, () => pushed({ kube, clock, user: push.user }, options, push)),
  })
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (await git.handle(request, response)) return
    // The raw target: nothing is decoded or resolved.
    const [path] = (request.url ?? '/').split('?')
    const upload = /^\/apps\/([a-z0-9-]+)\/deploy$/.exec(path)
    if (path === '/healthz') return void response.end('ok\n')
    if (!upload || request.method !== 'POST') return refuse(response, 404, 'not found')
    const given = credentials(request.headers.authorization)
    const user = given && (await authenticate(given.user, given.password))
    if (!user) return refuse(response, 401, 'wrong token')
    await receiveUpload({ kube, clock, user }, upload[1], request, response, options, gate)
  }
  const server = nodeHttp().createServer((request, response) => {
    handle(request, response).catch((error) => {
      log.error({ url: request.url, error: errorMessage(error) }, 'request failed')
      if (!response.headersSent) refuse(response, 500, 'internal error')
      else response.end()
    })
  })
  server.requestTimeout = 0
  server.headersTimeout = 60_000
  await listen(server, options.port, options.host)
  return {
    port: (server.address() as { port: number }).port,
    removeRepository: (app) => git.removeRepository(app),
    packRepository: (app) => git.collectGarbage(app),
    busy: () => gate.busy,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new CuddleError('port-taken', `port ${port} is taken by another program`, {
              hint: 'cuddle up --git-port N',
              cause: error,
            })
          : error,
      ),
    )
    server.listen(port, host, resolve)
  })
}

function refuse(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { 'content-type': 'text/plain', connection: 'close' }).end(`${message}\n`)
}

/** One push to the deploy branch: the answer decides whether the ref moves. */
async function pushed(
  context: Context,
  { builder, ahead, hostEnv, log }: PlatformServerOptions,
  push: Push,
): Promise<{ ok: boolean }> {
  const update = push.deploy
  const commit = commitOf(push, update.new, hostEnv)
  // Whoever waits for it hears of it.
  commit.catch(() => {})
  const source = { gitDir: push.gitDir, commit: update.new, env: push.env }
  const cause = { kind: 'push' as const, message: `Deploy ${update.new.slice(0, 7)}`, commit: update.new }
  return attempt(context, push.write, log, push.app, async (write) => {
    const rollout = rolloutChoice(push.options)
    const { app, signal } = push
    return deploy(context, builder, { app, source, cause, commit, rollout, ahead, write, signal })
  })
}

async function attempt(
  context: Context,
  write: (line: string) => void,
  log: Logger,
  app: string,
  work: (write: (line: string) => void) => Promise<ReleaseObject>,
): Promise<{ ok: boolean }> {
  const recent = recentLines(write)
  try {
    await work(recent.write)
    return { ok: true }
  } catch (error) {
    for (const line of errorLines(error, recent.has)) write(line)
    const still = await stillServing(context, app, error)
    if (still) write(still)
    if (!(error instanceof CuddleError))
      log.error(
        { app, error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'deploy failed',
      )
    return { ok: false }
  }
}

/** What a developer asks next when nothing was rolled out; reports of rollouts say it themselves. */
async function stillServing(context: Context, app: string, error: unknown): Promise<string | undefined> {
  if (error instanceof CuddleError && error.code === 'rollout-failed') return undefined
  const release = await servingRelease(context, app).catch(() => undefined)
  return release && `!     Nothing was released: ${release} is still serving.`
}

const screenful = 24

/** Passes lines on, and knows which ones are still on the screen. */
function recentLines(write: (line: string) => void) {
  const seen: string[] = []
  return {
    write(line: string) {
      seen.push(line.trim())
      if (seen.length > screenful) seen.shift()
      write(line)
    },
    has: (line: string) => seen.includes(line.trim()),
  }
}

/** An error as the pusher reads it. Details that were `said` just before are not repeated. */
export function errorLines(error: unknown, said: (line: string) => boolean = () => false): string[] {
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
    return ['!     the disk is full', '        next: make room on it, then try again']
  if (!(error instanceof CuddleError)) return [`!     internal error: ${errorMessage(error)}`]
  if (error.code === 'rollout-failed') return [...error.details]
  const details = error.details.every(said) ? [] : error.details
  const lines = [`!     ${error.message}`, ...details.map((detail) => `        ${detail}`)]
  if (error.hint) lines.push(`        next: ${error.hint}`)
  return lines
}

async function commitOf(
  push: Push,
  commit: string,
  hostEnv: Record<string, string>,
): Promise<{ author: string; subject: string }> {
  const body = readLoose(objectFolders(push.gitDir, push.env), commit, 'commit')
  const facts = body && parseCommit(body)
  if (facts) return facts
  const { stdout } = await exec('git', ['--git-dir', push.gitDir, 'log', '-1', '--format=%an <%ae>%n%s', commit], {
    env: { ...hostEnv, ...push.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
  })
  const [author = '', subject = ''] = stdout.split('\n')
  return { author, subject }
}

async function unpack(request: IncomingMessage, directory: string): Promise<void> {
  const gunzip = createGunzip()
  request.on('error', (error) => gunzip.destroy(error))
  request.on('aborted', () => gunzip.destroy(new CuddleError('interrupted', 'the upload broke off')))
  try {
    await extractLayer(request.pipe(gunzip), directory)
  } catch (error) {
    // What zlib complains about is the archive, not us.
    if (!/^Z_/.test(String((error as NodeJS.ErrnoException).code))) throw error
    throw new CuddleError('bad-upload', `the upload is no whole gzipped tar: ${errorMessage(error)}`, { cause: error })
  }
}

/** A folder as gzipped tar; the answer is lines of JSON: `{line}` as it goes, at last `{result}` or `{error}`. */
async function receiveUpload(
  context: Context,
  app: string,
  request: IncomingMessage,
  response: ServerResponse,
  options: PlatformServerOptions,
  gate: DeployGate,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, options.signal])
  const send = (message: object) => {
    if (!response.writableEnded) response.write(`${JSON.stringify(message)}\n`)
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  const directory = join(options.uploads, randomUUID())
  try {
    if (!(await context.kube.find(App, app)))
      throw new CuddleError('no-app', `no app is called "${app}"`, { hint: `cuddle create ${app}` })
    await mkdir(directory, { recursive: true })
    await unpack(request, directory)
    if (gate.taken(app)) send({ line: '       waiting for another deploy of this app to end' })
    const release = await gate.run(app, () =>
      deploy(context, options.builder, {
        app,
        source: { directory },
        cause: { kind: 'deploy', message: 'Deploy a folder' },
        ahead: options.ahead,
        write: (line) => send({ line }),
        signal,
      }),
    )
    send({ result: { app, release: release.spec.number } })
  } catch (error) {
    const code = error instanceof CuddleError ? error.code : 'internal'
    const still = await stillServing(context, app, error)
    send({ error: { code, message: errorMessage(error), lines: [...errorLines(error), ...(still ? [still] : [])] } })
    if (!(error instanceof CuddleError)) options.log.error({ app, error: errorMessage(error) }, 'upload failed')
  } finally {
    await rm(directory, { recursive: true, force: true })
    response.end()
  }
}
