import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CuddleError, errorMessage } from '#lib'
import { type Command, helpOf, type Invocation, parseWords } from './command.ts'
import { homeDirectory } from './home.ts'
import { nearVerbs } from './near.ts'
import { Output } from './output.ts'
import { verbs } from './verbs.ts'

/** Exit codes that scripts can use, in the spirit of sysexits(3). */
const exitCodes: Record<string, number> = { usage: 64, 'not-running': 69, unreachable: 69, interrupted: 130 }

async function main(words: readonly string[]): Promise<number> {
  const { env } = process
  const colour = !env.NO_COLOR && (Boolean(env.FORCE_COLOR) || (Boolean(process.stdout.isTTY) && env.TERM !== 'dumb'))
  const before = words.indexOf('--')
  const json = (before < 0 ? words : words.slice(0, before)).includes('--json')
  const out = new Output({ json, stdout: process.stdout, stderr: process.stderr, colour })
  const home = homeDirectory(env)
  const stop = new AbortController()
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const [verb, ...others] = words
  try {
    if (verb === undefined || verb === 'help' || verb === '--help' || verb === '-h')
      return await help(out, verb === 'help' ? others[0] : undefined)
    const command = await load(verb === '--version' || verb === '-v' ? 'version' : verb)
    refuseTwoWords(verb, others)
    const parsed = parseWords(verb, command, others)
    if (parsed.values.help) {
      out.print(helpOf(verb, command, out.columns))
      return 0
    }
    const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
    const invocation: Invocation = { ...parsed, out, home, cwd: process.cwd(), env, root, signal: stop.signal, verbs }
    return await command.run(invocation)
  } catch (error) {
    out.done()
    // Loaded here, for `up` has no need of the client.
    const { isUnreachable, notRunning } = await import('./connect.ts')
    const told = isUnreachable(error) ? notRunning(home, error) : (fileError(error, home) ?? error)
    return fail(out, told, env, verb && Object.hasOwn(verbs, verb) ? `cuddle ${verb} --help` : undefined)
  }
}

async function load(verb: string): Promise<Command> {
  if (Object.hasOwn(verbs, verb)) return (await verbs[verb].load()).default
  const near = nearVerbs(verb, Object.keys(verbs)).map((name) => `cuddle ${name}`)
  throw new CuddleError('usage', `there is no command "${verb}"`, {
    hint: near.length > 0 ? `did you mean ${near.join(', ')}?` : 'cuddle help lists all commands',
  })
}

/** Elsewhere `config set` is two words; here it is `config:set`. @throws CuddleError `usage` */
function refuseTwoWords(verb: string, [second]: readonly string[]): void {
  const whole = `${verb}:${second}`
  if (!Object.hasOwn(verbs, whole)) return
  throw new CuddleError('usage', `${verb} takes no "${second}"`, {
    hint: `did you mean cuddle ${whole}?`,
  })
}

async function help(out: Output, verb: string | undefined): Promise<number> {
  if (verb !== undefined) {
    out.print(helpOf(verb, await load(verb), out.columns))
    return 0
  }
  out.print('cuddle: git push, and it is live. BEAM and Kubernetes, better together.\n')
  out.print('usage: cuddle COMMAND [options]\n')
  let group = ''
  for (const [name, entry] of Object.entries(verbs)) {
    if (entry.hidden) continue
    if (entry.group !== group) {
      if (group !== '') out.print()
      group = entry.group
      out.print(out.style('bold', group))
    }
    out.print(`  ${name.padEnd(16)} ${entry.summary}`)
  }
  out.print('\nFirst steps: cuddle up; cuddle create my-app; git push cuddle main')
  out.print('cuddle COMMAND --help shows options and examples; most commands take --json.')
  return 0
}

const diskProblems: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the disk is read-only',
  EACCES: 'you may not write there',
}

/** What a file system says, in words that lead on. */
function fileError(error: unknown, home: string): CuddleError | undefined {
  const { code, path } = error as NodeJS.ErrnoException
  const problem = diskProblems[code ?? '']
  if (!problem) return undefined
  const hint = code === 'EACCES' ? 'set CUDDLE_HOME to a folder of yours' : 'make room there, then try again'
  return new CuddleError('disk', `${problem}: ${path ?? home}`, { hint, cause: error })
}

/** Says what went wrong and what to do next: the error's own hint, else for wrong usage the help of the command. */
function fail(out: Output, error: unknown, env: Record<string, string | undefined>, usageHint?: string): number {
  if (!(error instanceof CuddleError)) {
    const code = (error as { code?: unknown }).code
    if (out.json) out.data({ error: { code: 'error', message: errorMessage(error) } })
    out.note(`${out.style('red', 'error:')} ${errorMessage(error)}`)
    if (env.CUDDLE_DEBUG || typeof code !== 'number')
      out.note(
        out.style('dim', (error instanceof Error && env.CUDDLE_DEBUG && error.stack) || 'CUDDLE_DEBUG=1 shows more'),
      )
    return 1
  }
  const hint = error.hint ?? (error.code === 'usage' ? usageHint : undefined)
  if (out.json) out.data({ error: { code: error.code, message: error.message, details: error.details, hint } })
  out.note(`${out.style('red', 'error:')} ${error.message}`)
  for (const detail of error.details) out.note(`  ${detail}`)
  if (hint) out.note(`${out.style('dim', 'next:')}  ${hint}`)
  return exitCodes[error.code] ?? 1
}

process.exitCode = await main(process.argv.slice(2))
