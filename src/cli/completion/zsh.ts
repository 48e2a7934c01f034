import { lists, type OptionRow, type Source, shells, type VerbRow } from './table.ts'

/** A completion for zsh: to be sourced after compinit, or put into a folder of $fpath as _cuddle. */
export function zshCompletion(verbs: readonly VerbRow[]): string {
  const described = verbs.map(({ name, summary }) => quote(`${name.replaceAll(':', '\\:')}:${summary}`))
  const cases = verbs.map((verb) => `    ${verb.name}) _arguments -s ${argumentsOf(verb)} ;;`)
  return `#compdef cuddle
# cuddle completion zsh; load it with: source <(cuddle completion zsh)
${lists}

__cuddle_offer() {
  local -a found
  found=(\${(f)"$(__cuddle_list $1 "\${opt_args[--app]:-\${opt_args[-a]}}")"})
  [[ $1 == scales ]] && compadd -S '' -- $found || compadd -- $found
}

__cuddle_verbs() {
  local -a verbs
  verbs=(
    ${[...described, quote('help:show the help of a command')].join('\n    ')}
  )
  _describe command verbs
}

_cuddle() {
  local -A opt_args
  if (( CURRENT == 2 )); then
    __cuddle_verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join('\n')}
    help) _arguments '1: :__cuddle_verbs' ;;
  esac
}

if [[ $funcstack[1] == _cuddle ]]; then _cuddle "$@"; else compdef _cuddle cuddle; fi
`
}

function argumentsOf({ options, words }: VerbRow): string {
  const rest = action(words)
  return [...options.flatMap(option), ...(rest ? [quote(`*: :${rest}`)] : [])].join(' ')
}

function option({ name, short, describe, value }: OptionRow): string[] {
  const text = `[${describe.replaceAll(/[[\]:]/g, '\\$&')}]${value ? `: :${action(value) ?? ' '}` : ''}`
  return [quote(`--${name}${text}`), ...(short ? [quote(`-${short}${text}`)] : [])]
}

function action(source: Source): string | undefined {
  if (source === 'none') return undefined
  if (source === 'shells') return `(${shells.join(' ')})`
  if (source === 'folders') return '_files -/'
  return source === 'verbs' ? '__cuddle_verbs' : `__cuddle_offer ${source}`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
