import { type Source, shells, type VerbRow } from './table.ts'

/** A completion for fish: to be sourced, or saved as cuddle.fish in its completions folder. */
export function fishCompletion(verbs: readonly VerbRow[]): string {
  const lines = [
    '# cuddle completion fish; load it with: cuddle completion fish | source',
    functions,
    'complete -c cuddle -f',
    ...verbs.map(({ name, summary }) => `complete -c cuddle -n __cuddle_first -a ${quote(name)} -d ${quote(summary)}`),
    `complete -c cuddle -n __cuddle_first -a help -d 'show the help of a command'`,
    `complete -c cuddle -n '__cuddle_verb help' -a ${quote(verbs.map(({ name }) => name).join(' '))}`,
  ]
  for (const { name, words, options } of verbs) {
    const when = `complete -c cuddle -n ${quote(`__cuddle_verb ${name}`)}`
    if (words === 'folders') lines.push(`${when} -F`)
    else if (words !== 'none') lines.push(`${when} -a ${quote(candidates(words))}`)
    for (const { name: option, short, describe, value } of options) {
      const takes = value === undefined ? '' : value === 'none' ? ' -x' : ` -x -a ${quote(candidates(value))}`
      lines.push(`${when} -l ${option}${short ? ` -s ${short}` : ''}${takes} -d ${quote(describe)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Only names are let through, as in the lists of the other shells. */
const functions = `function __cuddle_first
    test (count (commandline -opc)) -eq 1
end
function __cuddle_verb
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = $argv[1]
end
function __cuddle_app
    set -l words (commandline -opc)
    for i in (seq (count $words))
        switch $words[$i]
            case --app -a
                set -q words[(math $i + 1)]; and printf '%s\\n' --app $words[(math $i + 1)]
            case '--app=*'
                echo $words[$i]
        end
    end
end
function __cuddle_list
    switch $argv[1]
        case apps
            cuddle apps --json 2>/dev/null | string match -rg '"name": "([a-z0-9-]+)"'
        case processes
            cuddle ps:scale --json (__cuddle_app) 2>/dev/null | string match -rg '^  "([a-z0-9-]+)":'
        case scales
            __cuddle_list processes | string replace -r '$' '='
        case releases
            cuddle releases --json (__cuddle_app) 2>/dev/null | string match -rg '"version": ([0-9]+)' | string replace -r '^' v
        case keys
            cuddle config --json (__cuddle_app) 2>/dev/null | string match -rg '^  "([A-Za-z_][A-Za-z0-9_]*)"'
    end
end`

function candidates(source: Source): string {
  return source === 'shells' ? shells.join(' ') : `(__cuddle_list ${source})`
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
