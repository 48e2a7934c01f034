import type { Finding } from './problems.ts'
import type { Reading } from './values.ts'

/** Flags of the VM by which the platform names and connects nodes, and stops them. */
const platformFlags = new Set([
  '-name',
  '-sname',
  '-setcookie',
  '-nocookie',
  '-start_epmd',
  '-erl_epmd_port',
  '-no_epmd',
  '-dist_listen',
  '-shutdown_time',
  '-args_file',
])
const longest = 32_768

/** Lines as in vm.args. */
export function checkVmArgs(text: string): Finding | undefined {
  if (text.length > longest || text.includes('\0')) return { message: `vmArgs is longer than ${longest} characters` }
  for (const line of text.split('\n')) {
    for (const word of line.replace(/(^|\s)#.*/, '').split(/\s+/)) {
      if (platformFlags.has(word)) return { message: `vmArgs: ${word} is the platform’s to set`, hint: 'leave it out' }
    }
    if (/^\s*[^\s#+-]/.test(line)) {
      return {
        message: `vmArgs: ${JSON.stringify(line.trim().slice(0, 40))} is no flag`,
        hint: 'for example +P 500000',
      }
    }
  }
  return undefined
}

const pairs: Record<string, string> = { ']': '[', ')': '(', '}': '{' }

/**
 * The content of a sys.config: one Erlang list. Only its brackets are checked, for no Erlang is at hand; what is wrong
 * beyond that the node says when it starts.
 */
export function readSysConfig(text: string): Reading<string> {
  const hint = 'for example [{kernel, [{logger_level, warning}]}].'
  if (text.length > longest || text.includes('\0')) return { message: `sysConfig is longer than ${longest} characters` }
  const open: string[] = []
  let bare = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '%') at = (text.indexOf('\n', at) + 1 || text.length + 1) - 1
    else if (char === '$') at += text[at + 1] === '\\' ? 2 : 1
    else if (char === '"' || char === "'") {
      const end = new RegExp(`${char}(?:[^${char}\\\\]|\\\\[\\s\\S])*${char}`, 'y')
      end.lastIndex = at
      if (!end.test(text)) return { message: `sysConfig: a ${char} is not closed`, hint }
      at = end.lastIndex - 1
    } else if ('[({'.includes(char)) open.push(char)
    else if (pairs[char] && open.pop() !== pairs[char]) return { message: `sysConfig: a ${char} closes nothing`, hint }
    if (char !== '%' && open.length <= 1 && /\S/.test(char)) bare += char
  }
  if (open.length > 0) return { message: `sysConfig: a ${open.at(-1)} is not closed`, hint }
  if (!bare.startsWith('[') || !/\]\.?$/.test(bare)) return { message: 'sysConfig is no Erlang list', hint }
  const whole = text.trimEnd()
  return { value: `${whole}${bare.endsWith('.') ? '' : '.'}\n` }
}
