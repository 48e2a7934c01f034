import { lists, shells, type VerbRow } from './table.ts'

/** A completion for bash, 3.2 (that of macOS) and newer; it needs no bash-completion. */
export function bashCompletion(verbs: readonly VerbRow[]): string {
  const names = verbs.map(({ name }) => name).join(' ')
  const cases = (of: (verb: VerbRow) => string) =>
    verbs.map((verb) => `    ${verb.name}) echo ${JSON.stringify(of(verb))} ;;`).join('\n')
  const options = ({ options }: VerbRow) =>
    options.flatMap(({ name, short }) => [`--${name}`, ...(short ? [`-${short}`] : [])]).join(' ')
  const values = ({ options }: VerbRow) =>
    options
      .filter(({ value }) => value)
      .map(({ name, short, value }) => `--${name}${short ? `|-${short}` : ''}=${value}`)
      .join(' ')
  return `# cuddle completion bash; load it with: source <(cuddle completion bash)
${lists}

__cuddle_options() {
  case $1 in
${cases(options)}
  esac
}

# OPTION|SHORT=SOURCE of those that take a value.
__cuddle_values() {
  case $1 in
${cases(values)}
  esac
}

__cuddle_words() {
  case $1 in
${cases(({ words }) => words)}
  esac
}

_cuddle() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() candidates= source= app= verb= cur prev option i
  read -ra words <<<"$line"
  case $line in *[[:space:]]) words+=("") ;; esac
  cur=\${words[\${#words[@]} - 1]}
  prev=\${words[\${#words[@]} - 2]}
  COMPREPLY=()
  if [ \${#words[@]} -le 2 ]; then
    candidates='${names} help'
  else
    verb=\${words[1]}
    for ((i = 2; i < \${#words[@]} - 1; i++)); do
      [ "\${words[i]}" = -- ] && return 0
      case \${words[i]} in --app | -a) app=\${words[i + 1]} ;; --app=*) app=\${words[i]#--app=} ;; esac
    done
    for option in $(__cuddle_values "$verb"); do
      case "|\${option%=*}|" in *"|$prev|"*) source=\${option#*=} ;; esac
    done
    if [ -z "$source" ]; then
      case $cur in
        -*) candidates=$(__cuddle_options "$verb") ;;
        *) if [ "$verb" = help ]; then source=verbs; else source=$(__cuddle_words "$verb"); fi ;;
      esac
    fi
    case $source in
      verbs) candidates='${names}' ;;
      shells) candidates='${shells.join(' ')}' ;;
      folders) compopt -o dirnames 2>/dev/null ;;
      ?*) candidates=$(__cuddle_list "$source" "$app") ;;
    esac
  fi
  case $candidates in *=) compopt -o nospace 2>/dev/null ;; esac
  COMPREPLY=($(compgen -W "$candidates" -- "$cur"))
  # bash takes : and = for ends of words, and replaces only what stands behind the last one.
  case $cur in
    *[:=]*) [[ $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("\${COMPREPLY[@]#"\${cur%"\${cur##*[:=]}"}"}") ;;
  esac
}
complete -F _cuddle cuddle
`
}
