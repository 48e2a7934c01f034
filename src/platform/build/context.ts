import { type Clock, CuddleError, type Logger } from '#lib'
import type { Listing } from './listing.ts'
import { type RunLimits, type RunResult, run } from './run.ts'
import type { Workspace } from './workspace.ts'

/** What the builder of one language gets. */
export interface BuildContext {
  app: string
  workspace: Workspace
  listing: Listing
  env: Record<string, string>
  limits: RunLimits
  clock: Clock
  log: Logger
  write: (line: string) => void
  signal?: AbortSignal
  /** Makes files look as old to Mix as they are: see `settleTimes`. */
  settle(paths: readonly string[]): Promise<void>
  /** Measures a step under a name. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
}

/** Runs a command of the build in its source, indenting its output as Heroku does. */
export function runIn(
  context: BuildContext,
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string>; quiet?: (line: string) => boolean } = {},
): Promise<RunResult> {
  const { workspace, limits, clock, signal, write } = context
  return run(command, args, {
    cwd: workspace.src,
    env: { ...context.env, ...options.env },
    limits,
    clock,
    signal,
    onLine: (line) => {
      if (line.trim() !== '' && !options.quiet?.(line)) write(`       ${line}`)
    },
  })
}

/** The error of a command that failed, with its last words. */
export function failed(context: BuildContext, command: string, result: RunResult, hint?: string): CuddleError {
  const lines = result.tail.filter((line) => line.trim() !== '').slice(-20)
  return new CuddleError(
    'build-failed',
    `the build of ${context.app} failed: ${command} ended with ${result.code ?? 'a signal'}`,
    {
      details: lines,
      hint: hint ?? missingProgram(lines),
    },
  )
}

/** What a shell says when a program is not there. */
function missingProgram(lines: readonly string[]): string | undefined {
  const program = lines
    .map((line) => /\bsh: (?:line )?(?:\d+: )?([\w@./+-]+): (?:command )?not found/.exec(line)?.[1])
    .find((name) => name !== undefined)
  return program && `${program} is not there: add it to the app's dependencies, or install it on this machine`
}

/** Runs a tool's version command; says which package brings the tool when it is not there. */
export function missingTool(tool: string, packages: string): CuddleError {
  return new CuddleError('tool-missing', `${tool} is not installed on this machine`, {
    hint: `apt-get install --yes ${packages}`,
  })
}
