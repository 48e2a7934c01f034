import type { Command } from '#spec'

/**
 * The container's command. A line goes through /bin/sh, with `exec` before its last command, so that the app itself is the
 * process that gets SIGTERM: a shell in between would neither pass it on nor end. A list of words is run as it is.
 */
export function argv(command: Command): string[] {
  return typeof command === 'string' ? ['/bin/sh', '-c', verbatim(withExec(command.trim()))] : [...command]
}

/** Kubernetes reads `$$` as `$` and `$(NAME)` as a variable in commands; a shell line means neither. */
function verbatim(line: string): string {
  return line.replace(/\$(?=[$(])/g, '$$$$')
}

const keywords =
  /^(if|for|while|until|case|function|select|time|then|else|do|done|fi|esac|cd|export|set|unset|exec|eval|trap|wait|return|exit|\.|:|\[|!|\{|\})(\s|$)/
const assignments = /^(?:[A-Za-z_][A-Za-z0-9_]*=(?:"[^"`$\\]*"|'[^']*'|[^\s"'`$\\|&;<>()]*)\s+)*/

/** Words and nothing that the shell would act on: most commands. */
const simple = /^[A-Za-z0-9_./:@%+-]+(?: +[A-Za-z0-9_./:@%+=,-]+)*$/

/** `a && b c` → `a && exec b c`, where that is sure to mean the same; else the line as it was. */
export function withExec(line: string): string {
  if (simple.test(line) && !keywords.test(line)) return `exec ${line}`
  const start = lastCommand(line)
  if (start === undefined) return line
  const rest = line.slice(start)
  const prefix = assignments.exec(rest)![0]
  const body = rest.slice(prefix.length)
  if (body === '' || keywords.test(body) || /^[A-Za-z_][A-Za-z0-9_]*=/.test(body)) return line
  return `${line.slice(0, start)}${prefix}exec ${body}`
}

/** Where the last command of a `&&` or `;` list starts; undefined for pipelines, groups, `||`, background jobs, several lines. */
function lastCommand(line: string): number | undefined {
  let start = 0
  let quote = ''
  for (let index = 0; index < line.length; index++) {
    const char = line[index]
    if (quote === "'") {
      if (char === "'") quote = ''
    } else if (char === '\\') index++
    else if (quote === '"') {
      if (char === '"') quote = ''
      else if (char === '`') return undefined
    } else if (char === "'" || char === '"') quote = char
    else if (char === '$' && line[index + 1] === '(') return undefined
    else if (char === '>' && line[index + 1] === '&') index++
    else if (char === '&') {
      if (line[index + 1] !== '&') return undefined
      start = ++index + 1
    } else if (char === ';') start = index + 1
    else if ('|()`\n#'.includes(char) || line.startsWith('<<', index)) return undefined
  }
  if (quote !== '') return undefined
  while (line[start] === ' ' || line[start] === '\t') start++
  return start
}
