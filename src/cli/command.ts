import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { CuddleError, suggest } from '#lib'
import type { Output } from './output.ts'

export interface Option {
  type: 'string' | 'boolean'
  short?: string
  multiple?: boolean
  /** For the help. */
  value?: string
  describe: string
}

/** What a verb is given to work with. */
export interface Invocation {
  values: Record<string, any>
  positionals: string[]
  /** What stood behind `--`. */
  rest: string[]
  out: Output
  home: string
  cwd: string
  /** The whole environment, read once by the entry. */
  env: Record<string, string | undefined>
  /** The checkout of Cuddle. */
  root: string
  signal: AbortSignal
  /** All verbs, for those that speak of the others. */
  verbs: Record<string, VerbEntry>
}

/** How a verb stands in the help; its code is loaded only when it is called. */
export interface VerbEntry {
  group: string
  summary: string
  hidden?: boolean
  load: () => Promise<{ default: Command }>
}

/** One verb, one file. */
export interface Command {
  summary: string
  /** Arguments, e.g. `NAME` or `KEY=VALUE…`. */
  usage?: string
  /** Longer words for `--help`. */
  describe?: string
  examples: readonly string[]
  options?: Record<string, Option>
  /** Takes words after `--`. */
  rest?: boolean
  /** Fewest and most positional arguments. */
  positionals?: readonly [number, number]
  /** The exit code. */
  run(invocation: Invocation): Promise<number>
}

export const globalOptions: Record<string, Option> = {
  json: { type: 'boolean', describe: 'print data as JSON' },
  help: { type: 'boolean', short: 'h', describe: 'show this help' },
}

export const appOption: Record<string, Option> = {
  app: { type: 'string', short: 'a', value: 'NAME', describe: 'the app; else the one this folder is connected to' },
}

/** Reads the words after the verb. @throws CuddleError `usage` that names what is wrong */
export function parseWords(
  verb: string,
  command: Command,
  words: readonly string[],
): { values: Record<string, any>; positionals: string[]; rest: string[] } {
  const options = { ...globalOptions, ...command.options }
  const split = words.indexOf('--')
  const own = split < 0 ? words : words.slice(0, split)
  const rest = split < 0 ? [] : words.slice(split + 1)
  const hint = `cuddle ${verb} --help`
  const config: ParseArgsOptionsConfig = {}
  for (const [name, { type, short, multiple }] of Object.entries(options))
    config[name] = { type, ...(short && { short }), ...(multiple && { multiple }) }
  const usage = (message: string, better = hint) => new CuddleError('usage', message, { hint: better })
  const parsed = parseArgs({ args: [...own], options: config, allowPositionals: true, strict: false, tokens: true })
  for (const token of parsed.tokens) {
    if (token.kind !== 'option') continue
    const option = options[token.name]
    if (!option) {
      const near = suggest(token.name, Object.keys(options))
      throw usage(`${verb} has no option ${token.rawName}`, near ? `did you mean --${near}? ${hint}` : hint)
    }
    if (option.type === 'string' && token.value === undefined)
      throw usage(`${token.rawName} needs a value: ${token.rawName} ${option.value ?? 'VALUE'}`)
    if (option.type === 'boolean' && token.value !== undefined) throw usage(`${token.rawName} takes no value`)
  }
  if (rest.length > 0 && !command.rest) throw usage(`${verb} takes nothing after --`)
  const [least, most] = command.positionals ?? [0, 0]
  const { positionals } = parsed
  if (!parsed.values.help) {
    if (positionals.length < least) throw usage(`${verb} needs ${command.usage ?? 'an argument'}`)
    if (positionals.length > most) throw usage(`${verb} does not know what to do with "${positionals[most]}"`)
  }
  return { values: parsed.values, positionals, rest }
}

/** The text of `cuddle VERB --help`. */
export function helpOf(verb: string, command: Command): string {
  const lines = [
    `${command.summary}`,
    '',
    `usage: cuddle ${verb}${command.usage ? ` ${command.usage}` : ''} [options]${command.rest ? ' -- COMMAND' : ''}`,
  ]
  if (command.describe) lines.push('', command.describe)
  lines.push('', 'options:')
  for (const [name, option] of Object.entries({ ...command.options, ...globalOptions })) {
    const flag = `${option.short ? `-${option.short}, ` : '    '}--${name}${option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''}`
    lines.push(`  ${flag.padEnd(28)} ${option.describe}`)
  }
  lines.push(
    '',
    command.examples.length > 1 ? 'examples:' : 'example:',
    ...command.examples.map((example) => `  ${example}`),
  )
  return lines.join('\n')
}
