import { suggest } from '#lib'
import { type AppJsonResult, readAppJson } from './app-json.ts'
import type { AppSpec } from './app-spec.ts'
import { checkSpec, checkTogether } from './checks.ts'
import { keysOf, type ReadFile, readDocument, sortProblems } from './document.ts'
import { normalise, overlay } from './normalise.ts'
import type { Problem } from './problems.ts'
import { readProcfile } from './procfile.ts'
import { type Command, type SpecFile, specFile } from './schema.ts'

export type ParseResult = { ok: true; spec: AppSpec; warnings: Problem[] } | { ok: false; problems: Problem[] }

/**
 * Reads one cuddle.yaml by itself. All problems are found at once, each with its line and column.
 * For an app with other sources (Procfile, app.json, what the builder detected) use resolveSpec.
 */
export function parseSpec(text: string, { file }: { file: string }): ParseResult {
  const read = readDocument(text, file, specFile)
  const result = complete(read, read.value, { commands: {} }, undefined)
  return result.ok ? { ok: true, spec: result.spec, warnings: result.warnings } : result
}

/** What the builder found out about a source tree. */
export interface Detected {
  /** Process → command. */
  processes: Record<string, string>
  kind: 'elixir' | 'erlang' | 'node' | 'procfile'
  /** Port that `web` listens on where it does not follow `$PORT`. */
  port?: number
}

export interface ResolveInput {
  /** File name → text; read are `cuddle.yaml` (or `cuddle.yml`), `Procfile` and `app.json`. */
  files: Record<string, string>
  detected: Detected
  appName: string
  /** Which of the file's `environments` applies. */
  environment?: string
}

export type ResolveResult =
  | {
      ok: true
      spec: AppSpec
      warnings: Problem[]
      /** Dotted field (`processes.web`, `release`, `env.X`, `scale.web` …) → the file it came from, or `detected`. */
      origins: Record<string, string>
    }
  | { ok: false; problems: Problem[] }

/**
 * The spec of an app from everything that speaks about it: cuddle.yaml before Procfile before app.json before what was
 * detected. Detected processes count only where no file names one, except as the command of a process without one.
 */
export function resolveSpec({ files, detected, appName, environment }: ResolveInput): ResolveResult {
  const name = ['cuddle.yaml', 'cuddle.yml'].find((candidate) => Object.hasOwn(files, candidate))
  const read = readDocument(name === undefined ? '' : files[name], name ?? 'cuddle.yaml', specFile)
  const problems: Problem[] = []
  if (name === 'cuddle.yaml' && Object.hasOwn(files, 'cuddle.yml')) {
    problems.push(read.problem([], 'there is a cuddle.yml too', { hint: 'keep one of the two' }))
  }
  const procfile = Object.hasOwn(files, 'Procfile') ? readProcfile(files.Procfile) : undefined
  if (procfile?.ok === false) problems.push(...procfile.problems)
  const appJson: AppJsonResult | undefined = Object.hasOwn(files, 'app.json')
    ? readAppJson(files['app.json'])
    : undefined
  if (appJson?.ok === false) problems.push(...appJson.problems)

  const fromProcfile = procfile?.ok ? procfile.processes : {}
  const release = procfile?.ok ? procfile.release : undefined
  const lower = appJson?.ok ? appJson.spec : {}
  const listed = new Set([...keysOf(Object(read.raw).processes), ...Object.keys(fromProcfile)])
  const commands: Record<string, Command> = {}
  for (const process of listed.size > 0 ? listed : Object.keys(detected.processes)) {
    const command = fromProcfile[process] ?? detected.processes[process]
    if (command !== undefined) commands[process] = command
  }
  const base: SpecFile = { ...lower, ...(release === undefined ? {} : { release: { command: release } }) }
  const layered = read.value && overlay(base, read.value)
  const file =
    layered && environment !== undefined ? overlay(layered, layered.environments?.[environment] ?? {}) : layered

  const known = { commands, ...(detected.port === undefined ? {} : { port: detected.port }) }
  const result = complete(read, file, known, listed)
  if (!result.ok) problems.push(...result.problems)
  else if (Object.keys(result.spec.processes).length === 0 && problems.length === 0) {
    problems.push(noProcess(detected.kind))
  }
  if (result.ok && result.spec.app !== undefined && result.spec.app !== appName) {
    const hint = 'rename one of the two'
    problems.push(read.problem(['app'], `app is ${result.spec.app} in the file but ${appName} was pushed to`, { hint }))
  }
  if (environment !== undefined && file?.environments && !Object.hasOwn(file.environments, environment)) {
    const meant = suggest(environment, Object.keys(file.environments))
    const hint = meant ? { hint: `did you mean ${meant}?` } : {}
    problems.push(read.problem(['environments'], `environments: there is no ${environment}`, { ...hint, key: true }))
  }
  if (problems.length > 0 || !result.ok) return { ok: false, problems: sortByFile(problems) }

  const lowerWarnings = appJson?.ok ? appJson.warnings : []
  const origins = originsOf(result.spec, [
    [read.file, environment === undefined ? {} : (read.value?.environments?.[environment] ?? {})],
    [read.file, read.value ?? {}],
    [
      'Procfile',
      { processes: wrap(fromProcfile), ...(release === undefined ? {} : { release: { command: release } }) },
    ],
    ['app.json', lower],
    ['detected', { processes: wrap(detected.processes) }],
  ])
  return { ok: true, spec: { ...result.spec, app: appName }, warnings: [...result.warnings, ...lowerWarnings], origins }
}

/** The checks that need more than one field, then the defaults. */
function complete(
  read: ReadFile<SpecFile>,
  file: SpecFile | undefined,
  known: Parameters<typeof normalise>[1] & {},
  listed: ReadonlySet<string> | undefined,
): ParseResult {
  const written = keysOf(Object(read.raw).processes)
  const problems = [...read.problems]
  const raw = Object(Object(read.raw).processes)
  for (const name of written) {
    const process = raw[name]
    const bare =
      typeof process === 'object' && process !== null && !Array.isArray(process) && process.command === undefined
    if (bare && known.commands[name] === undefined) {
      const hint = 'write command: … there, or a line in a Procfile'
      problems.push(read.problem(['processes', name], `process ${name} has no command`, { hint, key: true }))
    }
  }
  problems.push(...checkTogether(read, new Set([...(listed ?? []), ...Object.keys(known.commands), ...written])))
  if (file === undefined || problems.length > 0) return { ok: false, problems: sortProblems(problems) }
  const spec = normalise(file, known)
  const last = checkSpec(spec, read)
  if (last.problems.length > 0) return { ok: false, problems: sortProblems(last.problems) }
  return { ok: true, spec, warnings: sortProblems(last.warnings) }
}

function noProcess(kind: Detected['kind']): Problem {
  return {
    message: `nothing to run: no file names a process, and none was detected (${kind})`,
    hint: 'write a Procfile with a line such as web: bin/server',
    path: 'processes',
    file: '',
    line: 0,
    column: 0,
  }
}

function wrap(commands: Record<string, string>): NonNullable<SpecFile['processes']> {
  return Object.fromEntries(Object.entries(commands).map(([name, command]) => [name, { command }]))
}

function originsOf(spec: AppSpec, layers: [string, SpecFile][]): Record<string, string> {
  const origins: Record<string, string> = {}
  const claim = (field: string, has: (layer: SpecFile) => unknown) => {
    const layer = layers.find(([, file]) => has(file) !== undefined)
    if (layer) origins[field] = layer[0]
  }
  for (const name of Object.keys(spec.processes)) {
    claim(`processes.${name}`, (file) => (file.processes?.[name] as { command?: unknown } | undefined)?.command)
    claim(
      `scale.${name}`,
      (file) => file.scale?.[name] ?? (file.processes?.[name] as { scale?: unknown } | undefined)?.scale,
    )
  }
  for (const name of Object.keys(spec.cron)) claim(`cron.${name}`, (file) => file.cron?.[name])
  for (const name of Object.keys(spec.env)) claim(`env.${name}`, (file) => file.env?.[name])
  for (const key of [
    'release',
    'addons',
    'domains',
    'health',
    'size',
    'storage',
    'beam',
    'build',
    'patches',
  ] as const) {
    claim(key, (file) => file[key])
  }
  return origins
}

function sortByFile(problems: readonly Problem[]): Problem[] {
  const files = [...new Set(problems.map((problem) => problem.file))]
  return files.flatMap((file) => sortProblems(problems.filter((problem) => problem.file === file)))
}
