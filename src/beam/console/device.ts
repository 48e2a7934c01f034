import { readChars } from '../distribution/io-request.ts'
import { Atom, atom, binary, charlist, elements, isAtom, listOf, type Term, textOf, tuple } from '../term/index.ts'

/** What a terminal gives when it is asked for a line: the line with its newline, or why there is none. */
export type Line = { text: string } | 'end' | 'interrupted'

/** Where a console shows itself: a terminal, or a pipe. */
export interface ConsoleTerminal {
  /** What it returns is waited for: who prints much on the node is kept waiting by a slow terminal. */
  write(text: string): void | Promise<void>
  /**
   * @param options `continued`: the lines before were not the whole; `hidden`: it is a password; `signal` aborts when who
   *   asked is gone
   */
  readLine(prompt: string, options: { continued: boolean; hidden: boolean; signal: AbortSignal }): Promise<Line>
  /** Undefined when it has none. */
  size(): { columns: number; rows: number } | undefined
}

type Apply = (module: string, name: string, args: readonly Term[]) => Promise<Term>

const ok = atom('ok')
const failed = (why: string) => tuple(atom('error'), atom(why))

/** The end of input ends the console: shells that are told `eof` halt the whole node (`shell` of OTP, IEx with `on_eof: :halt`). */
export class EndOfInput extends Error {}

/**
 * Answers requests of Erlang's I/O protocol ("The Erlang I/O Protocol" of stdlib's user's guide) for a terminal. Requests
 * to read wait for each other; writing goes on meanwhile.
 */
export class ConsoleDevice {
  readonly #terminal: ConsoleTerminal
  readonly #apply: Apply
  #binary: boolean
  /** Typed and not yet taken. */
  #rest = ''
  #writes: Promise<unknown> = Promise.resolve()
  #reads: Promise<unknown> = Promise.resolve()

  constructor(terminal: ConsoleTerminal, options: { binary: boolean; apply: Apply }) {
    this.#terminal = terminal
    this.#apply = options.apply
    this.#binary = options.binary
  }

  /** @throws {EndOfInput} when there is nothing more to read; what `apply` throws */
  async answer(request: Term, signal: AbortSignal): Promise<Term> {
    if (isAtom(request, 'getopts')) return this.#options()
    const [kind, ...parts] = elements(request) ?? []
    if (!(kind instanceof Atom)) return failed('request')
    switch (kind.name) {
      case 'put_chars':
        return (this.#writes = this.#writes.catch(() => {}).then(() => this.#put(parts))) as Promise<Term>
      case 'requests':
        return this.#all(listOf(parts[0]) ?? [], signal)
      case 'get_geometry':
        return this.#geometry(parts[0])
      case 'setopts':
        for (const option of listOf(parts[0]) ?? []) this.#set(option)
        return ok
      case 'get_line':
      case 'get_password':
      case 'get_chars':
      case 'get_until':
        return (this.#reads = this.#reads
          .catch(() => {})
          .then(() => (signal.aborted ? failed('terminated') : this.#get(kind.name, parts, signal)))) as Promise<Term>
      default:
        return failed('request')
    }
  }

  async #all(requests: readonly Term[], signal: AbortSignal): Promise<Term> {
    let answer: Term = ok
    for (const request of requests) {
      answer = await this.answer(request, signal)
      if (isAtom(elements(answer)?.[0], 'error')) return answer
    }
    return answer
  }

  async #put(parts: readonly Term[]): Promise<Term> {
    const text = await readChars(parts, this.#apply)
    if (text === undefined) return failed('put_chars')
    await this.#terminal.write(text)
    return ok
  }

  #geometry(what: Term | undefined): Term {
    const size = this.#terminal.size()
    if (size && isAtom(what, 'columns')) return size.columns
    return size && isAtom(what, 'rows') ? size.rows : failed('enotsup')
  }

  #set(option: Term): void {
    if (isAtom(option, 'binary')) this.#binary = true
    else if (isAtom(option, 'list')) this.#binary = false
    const [name, value] = elements(option, 2) ?? []
    if (isAtom(name, 'binary')) this.#binary = isAtom(value, 'true')
  }

  #options(): Term {
    return [
      tuple(atom('binary'), atom(String(this.#binary))),
      tuple(atom('encoding'), atom('unicode')),
      tuple(atom('echo'), atom('true')),
    ]
  }

  async #get(kind: string, parts: readonly Term[], signal: AbortSignal): Promise<Term> {
    if (kind === 'get_password') return this.#password(signal)
    // `{get_line, Prompt}` is the form without an encoding.
    const encoded = parts.length === { get_line: 2, get_chars: 3, get_until: 5 }[kind]
    const [prompt, ...more] = encoded ? parts.slice(1) : parts
    const shown = await this.#prompt(prompt)
    if (kind === 'get_until') return this.#until(shown, more, signal)
    const wanted = kind === 'get_chars' ? Number(more[0]) : undefined
    while (wanted === undefined ? !this.#rest.includes('\n') : Array.from(this.#rest).length < wanted) {
      const line = await this.#read(shown, false, signal)
      if (line !== undefined) return line
    }
    const end =
      wanted === undefined ? this.#rest.indexOf('\n') + 1 : Array.from(this.#rest).slice(0, wanted).join('').length
    return this.#text(this.#take(end))
  }

  async #password(signal: AbortSignal): Promise<Term> {
    const line = await this.#terminal.readLine('', { continued: false, hidden: true, signal })
    if (line === 'end') throw new EndOfInput()
    return line === 'interrupted' ? failed('interrupted') : this.#text(line.text.replace(/\n$/, ''))
  }

  /** `get_until`: the function is fed line by line until it has enough. What it leaves over is for the next. */
  async #until(prompt: string, [module, name, args]: readonly Term[], signal: AbortSignal): Promise<Term> {
    if (!(module instanceof Atom && name instanceof Atom)) return failed('request')
    if (this.#rest.trim() === '') this.#rest = ''
    for (let state: Term = [], continued = false; ; continued = true) {
      if (this.#rest === '') {
        const answer = await this.#read(prompt, continued, signal)
        if (answer !== undefined) return answer
      }
      const chars = charlist(this.#take(this.#rest.length))
      const step = await this.#apply(module.name, name.name, [state, chars, ...(listOf(args) ?? [])])
      const [kind, value, left] = elements(step) ?? []
      if (isAtom(kind, 'done')) {
        this.#rest = (isAtom(left) ? '' : textOf(left)) ?? ''
        return this.#binary && textOf(value) !== undefined && Array.isArray(value) ? binary(textOf(value)!) : value!
      }
      if (!isAtom(kind, 'more')) return failed(name.name)
      state = value!
    }
  }

  /** Reads one line more; gives the answer where there is none. */
  async #read(prompt: string, continued: boolean, signal: AbortSignal): Promise<Term | undefined> {
    const line = await this.#terminal.readLine(prompt, { continued, hidden: false, signal })
    if (line === 'end') throw new EndOfInput()
    if (line === 'interrupted') {
      this.#rest = ''
      return failed('interrupted')
    }
    this.#rest += line.text
    return undefined
  }

  /** Prompts are what `io_lib:format_prompt/2` takes: text, or `{format, Format, Arguments}`. */
  async #prompt(prompt: Term | undefined): Promise<string> {
    if (prompt === undefined) return ''
    const simple = elements(prompt) ? undefined : textOf(prompt)
    if (simple !== undefined) return simple
    return textOf(await this.#apply('io_lib', 'format_prompt', [prompt, atom('unicode')])) ?? ''
  }

  #take(length: number): string {
    const taken = this.#rest.slice(0, length)
    this.#rest = this.#rest.slice(length)
    return taken
  }

  #text(text: string): Term {
    return this.#binary ? binary(text) : charlist(text)
  }
}
