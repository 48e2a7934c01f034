import { errorMessage, type Logger } from '#lib'
import { Atom, atom, elements, isAtom, listOf, Pid, type Term, tuple } from '../term/index.ts'
import { op } from './control.ts'
import type { Core } from './core.ts'
import { pidKey } from './identity.ts'
import { readChars } from './io-request.ts'

/** Where what a call prints goes: to the node's own console, nowhere, or to us. */
export type Output = 'node' | 'ignore' | ((text: string) => void)

export interface Sink {
  pid: Pid
  /** Resolves when everything printed so far has been given to the sink. */
  flushed(): Promise<void>
  close(): void
}

type Apply = (module: string, name: string, args: readonly Term[]) => Promise<Term>

const ok = atom('ok')
const failed = (why: string) => tuple(atom('error'), atom(why))

/**
 * Group leaders of ours: every request of Erlang's I/O protocol to one of them is answered, at any time, so that nothing
 * that was started by a call ever hangs in printing.
 */
export class OutputDevice {
  readonly #core: Core
  readonly #log: Logger
  readonly #apply: Apply
  readonly #sinks = new Map<string, { write: (text: string) => void; tail: Promise<void> }>()
  /** Prints to this one are answered and forgotten. */
  readonly nowhere: Pid

  constructor(core: Core, log: Logger, apply: Apply) {
    this.#core = core
    this.#log = log
    this.#apply = apply
    this.nowhere = core.identity.groupLeader()
    core.onOutput = (to, message) => this.#received(to, message)
  }

  open(write: (text: string) => void): Sink {
    const pid = this.#core.identity.groupLeader()
    const key = pidKey(pid)
    const sink = { write, tail: Promise.resolve() }
    this.#sinks.set(key, sink)
    return {
      pid,
      flushed: async () => {
        for (let tail: Promise<void> | undefined; tail !== sink.tail; ) await (tail = sink.tail)
      },
      close: () => this.#sinks.delete(key),
    }
  }

  #received(to: Pid, message: Term): void {
    const [kind, from, as, request] = elements(message, 4) ?? []
    if (!isAtom(kind, 'io_request') || !(from instanceof Pid)) return
    const reply = (answer: Term) => this.#core.answer([op.SEND_SENDER, to, from], tuple(atom('io_reply'), as, answer))
    const sink = this.#sinks.get(pidKey(to))
    // One after the other, or formatted text (which asks the node) would be overtaken by plain text.
    const answered = (sink?.tail ?? Promise.resolve())
      .then(() => this.#answer(request, sink?.write))
      .catch((error: unknown) => {
        this.#log.debug({ error: errorMessage(error) }, 'output of a call could not be read')
        return failed('request')
      })
      .then(reply)
    if (sink) sink.tail = answered
  }

  async #answer(request: Term, write: ((text: string) => void) | undefined): Promise<Term> {
    if (isAtom(request, 'getopts'))
      return [tuple(atom('binary'), atom('true')), tuple(atom('encoding'), atom('unicode'))]
    const [kind, ...rest] = elements(request) ?? []
    if (!(kind instanceof Atom)) return failed('request')
    if (kind.name === 'requests') return this.#answerAll(listOf(rest[0]) ?? [], write)
    if (kind.name === 'put_chars') return this.#put(rest, write)
    if (kind.name === 'setopts') return ok
    return kind.name.startsWith('get_') && kind.name !== 'get_geometry' ? atom('eof') : failed('enotsup')
  }

  async #answerAll(requests: readonly Term[], write: ((text: string) => void) | undefined): Promise<Term> {
    let answer: Term = ok
    for (const request of requests) {
      answer = await this.#answer(request, write)
      if (elements(answer)) return answer
    }
    return answer
  }

  async #put(parts: readonly Term[], write: ((text: string) => void) | undefined): Promise<Term> {
    if (!write) return ok
    const text = await readChars(parts, this.#apply)
    if (text === undefined) return failed('put_chars')
    write(text)
    return ok
  }
}
