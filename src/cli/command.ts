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

/** Where the descriptions of options begin. */
const optionColumn = 31

/** Text in lines of at most `width` columns; a longer word has a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line]
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
  const [least, most] = command.positionals ?? [0, 0]
  const first = parsed.tokens.find((token) => token.kind === 'positional')
  if (command.rest && most === 0 && first) {
    const behind = [...own.slice(first.index), ...rest].map(quote).join(' ')
    throw usage(
      `${verb} takes its command behind --`,
      ['cuddle', verb, ...own.slice(0, first.index), '--', behind].join(' '),
    )
  }
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
  const { positionals } = parsed
  if (!parsed.values.help) {
    if (positionals.length < least) throw usage(`${verb} needs ${command.usage ?? 'an argument'}`)
    if (positionals.length > most) throw usage(`${verb} does not know what to do with "${positionals[most]}"`)
  }
  return { values: parsed.values, positionals, rest }
}

/** A word as a shell takes it. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** The text of `cuddle VERB --help`, in lines of at most `width` columns but for examples. */
export function helpOf(verb: string, command: Command, width = 80): string {
  const lines = [
    ...wrap(command.summary, width),
    '',
    `usage: cuddle ${verb}${command.usage ? ` ${command.usage}` : ''} [options]${command.rest ? ' -- COMMAND' : ''}`,
  ]
  for (const paragraph of command.describe?.split('\n\n') ?? []) lines.push('', ...wrap(paragraph, width))
  lines.push('', 'options:')
  for (const [name, option] of Object.entries({ ...command.options, ...globalOptions })) {
    const flag = `${option.short ? `-${option.short}, ` : '    '}--${name}${option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''}`
    const [first, ...more] = wrap(option.describe, width - optionColumn)
    lines.push(
      `${`  ${flag}`.padEnd(optionColumn - 1)} ${first}`,
      ...more.map((line) => ' '.repeat(optionColumn) + line),
    )
  }
  lines.push(
    '',
    command.examples.length > 1 ? 'examples:' : 'example:',
    ...command.examples.map((example) => `  ${example}`),
  )
  return lines.join('\n')
}
