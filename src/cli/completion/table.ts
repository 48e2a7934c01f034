import { type Command, globalOptions } from '../command.ts'

/** What a word of the command line may be, where that can be asked of the cluster or is known. */
export type Source = 'apps' | 'processes' | 'scales' | 'releases' | 'keys' | 'verbs' | 'shells' | 'folders' | 'none'

export interface VerbRow {
  name: string
  summary: string
  /** What its arguments are. */
  words: Source
  options: OptionRow[]
}

export interface OptionRow {
  name: string
  short?: string
  describe: string
  /** What its value is; undefined: it takes none. */
  value?: Source
}

export const shells = ['bash', 'zsh', 'fish'] as const

const wordsOf: Record<string, Source> = {
  KEY: 'keys',
  PROCESS: 'processes',
  vN: 'releases',
  FOLDER: 'folders',
  COMMAND: 'verbs',
}
const valuesOf: Record<string, Source> = { app: 'apps', process: 'processes' }

/** The rows that all completions are made from. */
export function completionTable(commands: Record<string, { summary: string; command: Command }>): VerbRow[] {
  return Object.entries(commands).map(([name, { summary, command }]) => ({
    name,
    summary,
    words: wordsFor(name, command.usage ?? ''),
    options: Object.entries({ ...command.options, ...globalOptions }).map(([option, { type, short, describe }]) => ({
      name: option,
      short,
      describe,
      value: type === 'string' ? (valuesOf[option] ?? 'none') : undefined,
    })),
  }))
}

function wordsFor(verb: string, usage: string): Source {
  if (verb === 'destroy') return 'apps'
  if (/bash/.test(usage)) return 'shells'
  if (/PROCESS=/.test(usage)) return 'scales'
  if (/^KEY=/.test(usage)) return 'none'
  return wordsOf[/[A-Za-z]+/.exec(usage)?.[0] ?? ''] ?? 'none'
}

/**
 * Shell functions that list what exists, a line each: POSIX, for bash and zsh. Only names are let through, so that nothing that a
 * cluster says is ever run by a shell.
 */
export const lists = `__cuddle_list() {
  local app=()
  [ -n "$2" ] && app=(--app "$2")
  case $1 in
    apps) cuddle apps --json 2>/dev/null | grep -oE '"name": "[a-z0-9-]+"' | cut -d '"' -f 4 ;;
    processes) cuddle ps:scale --json "\${app[@]}" 2>/dev/null | grep -oE '^  "[a-z0-9-]+":' | cut -d '"' -f 2 ;;
    scales) __cuddle_list processes "$2" | sed 's/$/=/' ;;
    releases) cuddle releases --json "\${app[@]}" 2>/dev/null | grep -oE '"version": [0-9]+' | grep -oE '[0-9]+$' | sed 's/^/v/' ;;
    keys) cuddle config --json "\${app[@]}" 2>/dev/null | grep -oE '^  "[A-Za-z_][A-Za-z0-9_]*"' | cut -d '"' -f 2 ;;
  esac
}`
