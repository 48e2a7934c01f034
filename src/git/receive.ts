import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { errorMessage, formatBytes, type KeyedMutex, type Logger, readLines } from '#lib'
import { isAncestor } from './ancestry.ts'
import { PacketReader, progress } from './pkt-line.ts'
import { judge, type Push, type PushedRef, PushReader, short } from './push.ts'
import { pointHead, readRef, zeroId } from './repository.ts'

export interface ReceiveOptions {
  app: string
  user: string
  gitDir: string
  env: Record<string, string>
  input: Readable
  output: Writable
  maxPackBytes: number
  onPush: (push: Push) => Promise<{ ok: boolean }>
  mutex: KeyedMutex
  log: Logger
  /** Aborts when the pusher goes away. */
  signal: AbortSignal
}

/**
 * Runs `git receive-pack` for one POST. The hook of the repository talks to this function over two further descriptors:
 * 3, what is to be updated; 4, lines to show and the verdict. While a push of the app is worked on, the next one waits
 * here, and the lock is kept until git has moved the refs: so never two at once, and never one built on an old state.
 */
export async function receivePack(options: ReceiveOptions): Promise<void> {
  const { app, gitDir, env, mutex, log } = options
  const child = spawn('git', ['receive-pack', '--stateless-rpc', '.'], {
    cwd: gitDir,
    env,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
  const ended = closed(child)
  const [stdin, stdout, stderr, fromHook, toHook] = child.stdio as [Writable, Readable, Readable, Readable, Writable]
  for (const stream of [stdin, toHook, fromHook]) stream.on('error', () => {})
  options.input.pipe(stdin)
  // Also when the request breaks off: git then meets the end of the pack too early, and refuses it.
  options.input.on('close', () => stdin.end())
  const packets = new PacketReader((bytes) => {
    options.output.write(bytes)
    if (bytes[4] === 2 && bytes.includes('pack exceeds maximum allowed size')) {
      const limit = `${formatBytes(options.maxPackBytes)}B`
      options.output.write(progress(`a push may bring at most ${limit}; keep large files out of git, or push in steps`))
    }
  })
  stdout.on('data', (bytes: Buffer) => {
    packets.write(bytes)
    if (options.output.writableNeedDrain) {
      stdout.pause()
      options.output.once('drain', () => stdout.resume())
    }
  })
  // When the pusher is gone nothing takes the output, but git must still come to its end.
  options.output.on('close', () => stdout.resume())
  let complaint = ''
  stderr.on('data', (bytes: Buffer) => {
    complaint = (complaint + bytes).slice(-2000)
  })

  const conversation = (async () => {
    const reader = new PushReader()
    for await (const line of readLines(fromHook, 64 * 1024)) if (reader.line(line)) return reader
    return undefined
  })().catch((error) => {
    log.warn({ app, error: errorMessage(error) }, 'the hook of a push could not be understood')
    return undefined
  })
  const reader = await conversation
  if (reader) {
    const say = (line: string) => {
      for (const part of line.split('\n')) if (toHook.writable) toHook.write(`>${printable(part)}\n`)
    }
    const finish = (ok: boolean) => {
      if (toHook.writable) toHook.end(`exit ${ok ? 0 : 1}\n`)
      return ended
    }
    if (mutex.busy(app)) say(`another push to ${app} is under way; this one waits for it`)
    await mutex.run(app, async () => finish(await decide(options, reader, say)))
  }
  const code = await ended
  if (code !== 0 && complaint !== '' && !options.signal.aborted)
    log.info({ app, code, complaint }, 'receive-pack failed')
}

async function decide(options: ReceiveOptions, reader: PushReader, say: (line: string) => void): Promise<boolean> {
  const { app, user, gitDir, signal } = options
  if (signal.aborted) return false
  for (const { ref, old } of reader.refs) {
    const now = await readRef(gitDir, ref)
    if (now !== (zeroId.test(old) ? undefined : old)) {
      say(`${short(ref)} of ${app} has moved in the meantime; look at it (git fetch) and push again`)
      return false
    }
  }
  const verdict = judge(reader.refs)
  for (const line of verdict.lines) say(line)
  if (!('deploy' in verdict)) return verdict.accept
  const { deploy } = verdict
  const env = { ...options.env, ...reader.env }
  const rewritten = noteRewrite(deploy, gitDir, env, say)
  let ok = false
  try {
    const push: Push = {
      app,
      user,
      refs: reader.refs,
      deploy,
      gitDir,
      env: reader.env,
      options: reader.options,
      write: say,
      signal,
    }
    ok = (await options.onPush(push)).ok
  } catch (error) {
    options.log.error({ app, error: errorMessage(error) }, 'push failed')
    say(`error: ${errorMessage(error)}`)
  }
  await rewritten
  if (signal.aborted) return false
  // The first branch that arrives is what a clone shall check out.
  const others = ok && zeroId.test(deploy.old) && (await readRef(gitDir, 'refs/heads/main')) === undefined
  if (others) await pointHead(gitDir, deploy.ref)
  return ok
}

/** Says that commits which ran before are not part of what is pushed. Allowed: what runs is what was pushed last. */
async function noteRewrite(
  { ref, old, new: id }: PushedRef,
  gitDir: string,
  env: Record<string, string>,
  say: (line: string) => void,
): Promise<void> {
  if (zeroId.test(old)) return
  if ((await isAncestor(old, id, { gitDir, env })) === false)
    say(`note: ${short(ref)} was rewritten (forced push from ${old.slice(0, 8)} to ${id.slice(0, 8)})`)
}

/** Colours may pass, other control characters would garble the pusher's terminal. */
function printable(line: string): string {
  return line.replace(/[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]/g, '')
}

/** Resolves with the exit code when the program has ended and its output is read. */
export function closed(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code))
  })
}
