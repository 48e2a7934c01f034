/**
 * Go's regular expressions (RE2 syntax), matched in time linear in the text, whatever the pattern: a `pattern` comes from whoever
 * may define a resource, and JavaScript's own RegExp can be made to run for hours on one thread. Atoms are tried by RegExp, one
 * character at a time; how they follow each other is a Thompson automaton (Russ Cox, "Regular Expression Matching Can Be
 * Simple And Fast").
 */
export interface Matcher {
  /** Whether the pattern is found anywhere in the text. False also for what takes more than a bounded number of steps. */
  test(text: string): boolean
}

export class PatternError extends Error {}

type Node =
  | { type: 'char'; source: string; flags: string }
  | { type: 'assert'; what: '^' | '$' | 'b' | 'B' | 'A' | 'z' }
  | { type: 'sequence'; parts: Node[] }
  | { type: 'choice'; parts: Node[] }
  | { type: 'repeat'; part: Node; min: number; max: number }

type Instruction =
  | { op: 'char'; class: number }
  | { op: 'assert'; what: string }
  | { op: 'split'; to: number[] }
  | { op: 'match' }

/** As RE2's limit on repetitions, and about its limit on memory. */
const maxRepeat = 1000
const maxInstructions = 20_000
const maxDepth = 200
/** About a tenth of a second. */
const maxSteps = 10_000_000

/** Compiles a pattern. Throws PatternError for what Go would refuse, and for what is too large. */
export function compilePattern(pattern: string): Matcher {
  const classes: RegExp[] = []
  const known = new Map<string, number>()
  const program: Instruction[] = []
  emit(new Parser(pattern).parse())
  program.push({ op: 'match' })
  return { test: (text) => run(program, classes, text) }

  function add(instruction: Instruction): number {
    if (program.length >= maxInstructions) throw new PatternError('expression too large')
    return program.push(instruction) - 1
  }

  function emit(node: Node): void {
    if (node.type === 'char') add({ op: 'char', class: classOf(node.source, node.flags) })
    else if (node.type === 'assert') add({ op: 'assert', what: node.what })
    else if (node.type === 'sequence') node.parts.forEach(emit)
    else if (node.type === 'choice') choice(node.parts)
    else repeat(node.part, node.min, node.max)
  }

  function choice(parts: readonly Node[]): void {
    const split = { op: 'split' as const, to: [] as number[] }
    add(split)
    const ends: { op: 'split'; to: number[] }[] = []
    for (const part of parts) {
      split.to.push(program.length)
      emit(part)
      const end = { op: 'split' as const, to: [] as number[] }
      add(end)
      ends.push(end)
    }
    for (const end of ends) end.to.push(program.length)
  }

  function repeat(part: Node, min: number, max: number): void {
    for (let count = 0; count < min; count++) emit(part)
    if (max === Number.POSITIVE_INFINITY) {
      const split = { op: 'split' as const, to: [] as number[] }
      const start = add(split)
      emit(part)
      add({ op: 'split', to: [start] })
      split.to.push(start + 1, program.length)
      return
    }
    const splits: { op: 'split'; to: number[] }[] = []
    for (let count = min; count < max; count++) {
      const split = { op: 'split' as const, to: [program.length + 1] }
      add(split)
      splits.push(split)
      emit(part)
    }
    for (const split of splits) split.to.push(program.length)
  }

  function classOf(source: string, flags: string): number {
    const key = `${flags}/${source}`
    let index = known.get(key)
    if (index === undefined) {
      try {
        index = classes.push(new RegExp(`^(?:${source})$`, `u${flags}`)) - 1
      } catch {
        throw new PatternError(`invalid character class: ${source}`)
      }
      known.set(key, index)
    }
    return index
  }
}

function run(program: readonly Instruction[], classes: readonly RegExp[], text: string): boolean {
  const characters = Array.from(text)
  const tried = new Map<string, boolean[]>()
  const seen = new Int32Array(program.length).fill(-1)
  let steps = 0
  let states: number[] = []
  for (let at = 0; at <= characters.length; at++) {
    const active: number[] = []
    // The match may begin anywhere.
    const pending = [0, ...states.reverse()]
    while (pending.length > 0) {
      const state = pending.pop()!
      if (seen[state] === at) continue
      seen[state] = at
      if (++steps > maxSteps) return false
      const instruction = program[state]
      if (instruction.op === 'match') return true
      if (instruction.op === 'char') active.push(state)
      else if (instruction.op === 'split') for (const to of instruction.to) pending.push(to)
      else if (holds(instruction.what, characters, at)) pending.push(state + 1)
    }
    if (at === characters.length) return false
    const character = characters[at]
    let results = tried.get(character)
    if (!results) tried.set(character, (results = []))
    states = []
    for (const state of active) {
      const index = (program[state] as { class: number }).class
      if ((results[index] ??= classes[index].test(character))) states.push(state + 1)
    }
  }
  return false
}

const wordCharacter = /^[0-9A-Za-z_]$/

function holds(what: string, characters: readonly string[], at: number): boolean {
  if (what === '^' || what === 'A') return at === 0
  if (what === '$' || what === 'z') return at === characters.length
  const word = (index: number) => wordCharacter.test(characters[index] ?? '')
  return (word(at - 1) !== word(at)) === (what === 'b')
}

const posix: Record<string, string> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}

class Parser {
  readonly #text: string[]
  #at = 0
  #flags = ''

  constructor(pattern: string) {
    this.#text = Array.from(pattern)
  }

  parse(): Node {
    const node = this.#choice(0)
    if (this.#at < this.#text.length) throw new PatternError('unexpected )')
    return node
  }

  #peek(offset = 0): string | undefined {
    return this.#text[this.#at + offset]
  }

  #choice(depth: number): Node {
    if (depth > maxDepth) throw new PatternError('expression nests too deeply')
    const parts = [this.#sequence(depth)]
    while (this.#peek() === '|') {
      this.#at++
      parts.push(this.#sequence(depth))
    }
    return parts.length === 1 ? parts[0] : { type: 'choice', parts }
  }

  #sequence(depth: number): Node {
    const parts: Node[] = []
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      const atom = this.#atom(depth)
      if (atom) parts.push(this.#quantified(atom))
    }
    return { type: 'sequence', parts }
  }

  #quantified(part: Node): Node {
    const next = this.#peek()
    let bounds: [number, number] | undefined
    if (next === '*') bounds = [0, Number.POSITIVE_INFINITY]
    else if (next === '+') bounds = [1, Number.POSITIVE_INFINITY]
    else if (next === '?') bounds = [0, 1]
    if (bounds) this.#at++
    else if (next === '{') bounds = this.#counted()
    if (!bounds) return part
    // Lazy or not makes no difference to whether there is a match.
    if (this.#peek() === '?') this.#at++
    if (/^[*+?]$/.test(this.#peek() ?? '')) throw new PatternError('invalid nested repetition operator')
    return { type: 'repeat', part, min: bounds[0], max: bounds[1] }
  }

  #counted(): [number, number] | undefined {
    const match = /^\{(\d{1,6})(,(\d{0,6}))?\}/.exec(this.#text.slice(this.#at, this.#at + 16).join(''))
    if (!match) return undefined
    this.#at += match[0].length
    const min = Number(match[1])
    const max = match[2] === undefined ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3])
    if (min > maxRepeat || (max !== Number.POSITIVE_INFINITY && max > maxRepeat) || max < min)
      throw new PatternError('invalid repeat count')
    return [min, max]
  }

  #char(source: string): Node {
    return { type: 'char', source, flags: this.#flags }
  }

  /** One atom; undefined for what is none, such as flags. */
  #atom(depth: number): Node | undefined {
    const next = this.#text[this.#at++]
    if (next === '(') return this.#group(depth)
    if (next === '[') return this.#char(this.#class())
    if (next === '.') return this.#char(this.#flags.includes('s') ? '[^]' : '[^\\n]')
    if (next === '^' || next === '$') return { type: 'assert', what: next }
    if (next === '*' || next === '+' || next === '?') throw new PatternError('missing argument to repetition operator')
    if (next !== '\\') return this.#char(literal(next))
    const escaped = this.#peek()
    if (escaped === 'b' || escaped === 'B' || escaped === 'A' || escaped === 'z') {
      this.#at++
      return { type: 'assert', what: escaped }
    }
    if (escaped === 'Q') return this.#quoted()
    return this.#char(this.#escape())
  }

  #quoted(): Node {
    this.#at++
    const parts: Node[] = []
    while (this.#at < this.#text.length && !(this.#peek() === '\\' && this.#peek(1) === 'E')) {
      parts.push(this.#char(literal(this.#text[this.#at++])))
    }
    this.#at += 2
    return { type: 'sequence', parts }
  }

  #group(depth: number): Node | undefined {
    const outer = this.#flags
    if (this.#peek() === '?') {
      const rest = this.#text.slice(this.#at, this.#at + 200).join('')
      const named = /^\?P?<[A-Za-z_]\w*>/.exec(rest)
      const flagged = /^\?([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest)
      if (!named && !flagged) throw new PatternError('invalid or unsupported Perl syntax')
      this.#at += (named ?? flagged)![0].length
      if (flagged) {
        const [, on, off = '', end] = flagged
        if (on.includes('m')) throw new PatternError('multi-line mode is not supported')
        const flags = new Set([...outer, ...on].filter((flag) => 'is'.includes(flag) && !off.includes(flag)))
        this.#flags = [...flags].join('')
        // Flags without a group hold to the end of the group around them.
        if (end === ')') return undefined
      }
    }
    const node = this.#choice(depth + 1)
    if (this.#text[this.#at++] !== ')') throw new PatternError('missing closing )')
    this.#flags = outer
    return node
  }

  /** What follows a backslash, as JavaScript's RegExp understands it in unicode mode. */
  #escape(): string {
    const next = this.#text[this.#at++]
    if (next === undefined) throw new PatternError('trailing backslash at end of expression')
    if (next === 'd' || next === 'D') return `\\${next}`
    // JavaScript's own \s knows Unicode's spaces; \w with ignoreCase knows letters beyond ASCII.
    if (next === 's') return '[\\t\\n\\f\\r ]'
    if (next === 'S') return '[^\\t\\n\\f\\r ]'
    if (next === 'w') return '[0-9A-Za-z_]'
    if (next === 'W') return '[^0-9A-Za-z_]'
    if (/^[nrtfv]$/.test(next)) return `\\${next}`
    if (next === 'a') return '\\x07'
    if (next === 'x') return this.#hexadecimal()
    if (next === 'p' || next === 'P') return this.#property(next)
    if (/^[0-9A-Za-z]$/.test(next)) throw new PatternError(`invalid escape sequence: \\${next}`)
    return literal(next)
  }

  #hexadecimal(): string {
    const match = /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(this.#text.slice(this.#at, this.#at + 8).join(''))
    if (!match) throw new PatternError('invalid escape sequence: \\x')
    this.#at += match[0].length
    return `\\u{${match[1] ?? match[2]}}`
  }

  #property(letter: string): string {
    const match = /^(?:\{(\^?)(\w+)\}|([A-Z]))/.exec(this.#text.slice(this.#at, this.#at + 40).join(''))
    if (!match) throw new PatternError('invalid character class range: \\p')
    this.#at += match[0].length
    const name = match[2] ?? match[3]
    const negated = (letter === 'P') !== (match[1] === '^')
    const category = name.length <= 2 ? name : `Script=${name}`
    return `\\${negated ? 'P' : 'p'}{${category}}`
  }

  /** The inside of `[…]`, with what JavaScript writes differently written its way. */
  #class(): string {
    let source = '['
    if (this.#peek() === '^') {
      this.#at++
      source += '^'
    }
    for (let first = true; ; first = false) {
      const next = this.#text[this.#at++]
      if (next === undefined) throw new PatternError('missing closing ]')
      if (next === ']' && !first) return `${source}]`
      if (next === '[' && this.#peek() === ':') {
        const match = /^:(\w+):\]/.exec(this.#text.slice(this.#at, this.#at + 12).join(''))
        if (!match || !Object.hasOwn(posix, match[1])) throw new PatternError('invalid character class range')
        this.#at += match[0].length
        source += posix[match[1]]
      } else if (next === '\\') {
        const escaped = this.#escape()
        source += escaped.startsWith('[^') ? complement(escaped) : escaped.replace(/^\[(.*)\]$/, '$1')
      } else if (next === '-') source += isRange(source, this.#peek()) ? '-' : '\\-'
      else source += literal(next)
    }
  }
}

/** A hyphen stands for a range only between two characters. */
function isRange(source: string, next: string | undefined): boolean {
  return next !== ']' && source !== '[' && source !== '[^'
}

/** `\S` and `\W` inside a class. */
function complement(escaped: string): string {
  return escaped.includes('0-9')
    ? '\\x00-\\x2F\\x3A-\\x40\\x5B-\\x5E\\x60\\x7B-\\u{10FFFF}'
    : '\\x00-\\x08\\x0B\\x0E-\\x1F\\x21-\\u{10FFFF}'
}

function literal(character: string): string {
  if (character === '-') return '\\x2D'
  return /^[\\^$.*+?()[\]{}|/]$/.test(character) ? `\\${character}` : character
}
