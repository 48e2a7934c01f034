import { TermMap } from './map.ts'
import {
  Atom,
  BitString,
  Export,
  Float,
  Fun,
  ImproperList,
  NativeRecord,
  Pid,
  Port,
  Reference,
  type Term,
  Tuple,
} from './terms.ts'

const reserved = new Set(
  (
    'after and andalso band begin bnot bor bsl bsr bxor case catch cond div else end fun if let maybe not of or orelse receive ' +
    'rem try when xor'
  ).split(' '),
)

/**
 * A term in Erlang's syntax, on one line: `{ok,<<"text">>,[1,2.0]}`. For people: it is cut with `…` after about
 * `limit` characters. What is data reads back in Erlang as the same term, when it was not cut.
 */
export function format(term: Term, options: { limit?: number } = {}): string {
  const state = { left: options.limit ?? 2000 }
  return write(term, state)
}

interface State {
  left: number
}

function write(term: Term, state: State): string {
  if (state.left <= 0) return '…'
  if (Array.isArray(term)) return string(term, state) ?? `[${join(term, state)}]`
  if (term instanceof Tuple) return `{${join(term.elements, state)}}`
  if (term instanceof ImproperList) return `[${join(term.elements, state)}|${write(term.tail, state)}]`
  if (term instanceof TermMap) {
    return `#{${each(term.entries(), state, ([key, value]) => `${write(key, state)} => ${write(value, state)}`)}}`
  }
  if (term instanceof NativeRecord) {
    const fields = each(term.fields, state, ([name, value]) => `${atomText(name)}=${write(value, state)}`)
    return `#${atomText(term.module)}:${atomText(term.name)}{${fields}}`
  }
  const text = leaf(term as Exclude<Term, readonly Term[]>, state)
  state.left -= text.length
  return text
}

function leaf(term: Exclude<Term, readonly Term[]>, state: State): string {
  if (typeof term === 'number') return String(term)
  if (typeof term === 'bigint') {
    const digits = term.toString(term > 2n ** 4096n || term < -(2n ** 4096n) ? 16 : 10)
    return digits.length > state.left + 40 ? `${digits.slice(0, state.left)}…` : digits
  }
  if (term instanceof Atom) return atomText(term.name)
  if (term instanceof Float) return floatText(term.value)
  if (term instanceof Uint8Array) return binaryText(term, state)
  if (term instanceof BitString) {
    const last = term.bytes[term.bytes.length - 1] >> (8 - term.bits)
    return `<<${[...term.bytes.subarray(0, -1).subarray(0, state.left), `${last}:${term.bits}`].join(',')}>>`
  }
  if (term instanceof Pid) return `<${term.node}.${term.id}.${term.serial}>`
  if (term instanceof Port) return `#Port<${term.node}.${term.id}>`
  if (term instanceof Reference) return `#Ref<${term.node}.${term.ids.toReversed().join('.')}>`
  if (term instanceof Export) return `fun ${atomText(term.module)}:${atomText(term.function)}/${term.arity}`
  if (term instanceof Fun) return `#Fun<${term.fields.module}.${term.fields.index}/${term.fields.arity}>`
  return String(term)
}

function join(terms: readonly Term[], state: State): string {
  return each(terms, state, (term) => write(term, state))
}

function each<T>(items: Iterable<T>, state: State, one: (item: T) => string): string {
  const parts: string[] = []
  for (const item of items) {
    if (state.left <= 0) {
      parts.push('…')
      break
    }
    parts.push(one(item))
    state.left -= 1
  }
  return parts.join(',')
}

/** Atoms as Erlang reads them: quoted unless they are plain words. */
export function atomText(name: string): string {
  if (/^[a-z][a-zA-Z0-9_@]*$/.test(name) && !reserved.has(name)) return name
  return `'${escaped(name, "'")}'`
}

function escaped(text: string, quote: string): string {
  return text.replace(/[\\'"\u0000-\u001f\u007f-\u00a0]/g, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\\') return '\\\\'
    if (character === "'" || character === '"') return character === quote ? `\\${character}` : character
    return `\\x{${character.codePointAt(0)!.toString(16)}}`
  })
}

function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const [mantissa, exponent] = String(value).split('e')
  const point = mantissa.includes('.') ? mantissa : `${mantissa}.0`
  return exponent === undefined ? point : `${point}e${exponent.replace('+', '')}`
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const unprintable = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/

function binaryText(bytes: Uint8Array, state: State): string {
  const cut = bytes.length > Math.max(state.left, 16)
  const shown = cut ? bytes.subarray(0, Math.max(state.left, 16)) : bytes
  let text: string | undefined
  try {
    text = utf8.decode(shown, { stream: false })
  } catch {}
  if (text === undefined || unprintable.test(text)) return `<<${shown.join(',')}${cut ? ',…' : ''}>>`
  return `<<"${escaped(text, '"')}${cut ? '…' : ''}"${/[^\u0000-\u007f]/.test(text) ? '/utf8' : ''}>>`
}

/** A list that looks like text is shown as text. */
function string(list: readonly Term[], state: State): string | undefined {
  if (list.length === 0 || list.length > state.left) return undefined
  for (const item of list) {
    if (typeof item !== 'number' || !(item === 10 || item === 9 || item === 13 || (item >= 32 && item < 127)))
      return undefined
  }
  const text = `"${escaped(String.fromCharCode(...(list as number[])), '"')}"`
  state.left -= text.length
  return text
}
