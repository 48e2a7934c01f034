import { CuddleError, errorMessage } from '#lib'
import type { BeamNode } from '../distribution/index.ts'
import { bindingsTerm, compileOnce } from '../evaluate.ts'
import {
  atom,
  bool,
  charlist,
  elements,
  isAtom,
  listOf,
  Pid,
  Reference,
  type Term,
  TermMap,
  textOf,
  tuple,
} from '../term/index.ts'
import { ConsoleDevice, type ConsoleTerminal, EndOfInput } from './device.ts'
import { leadExpression } from './lead.ts'

export interface ConsoleOptions {
  language: 'elixir' | 'erlang'
  terminal: ConsoleTerminal
  /** Let IEx use colours; whoever else has a console on the node gets them too. */
  colours?: boolean
  /** Of starting. @default 10 000 */
  timeoutMs?: number
}

export interface Completion {
  /** What can be added at once. */
  insert: string
  /** What it could go on with. */
  choices: readonly string[]
}

/** A shell on a node, joined to a terminal here. */
export interface BeamConsole {
  /** Ends what is being evaluated; the shell goes on. IEx starts a new evaluator then, without the variables. */
  interrupt(): void
  /** What the text before the cursor could become, as the node knows it. Nothing where it does not say. */
  complete(before: string): Promise<Completion>
  /** Resolves when the shell has ended: by itself, by the end of input, or by close. Rejects when the connection is lost. */
  readonly ended: Promise<void>
  /** Ends the shell and what it evaluates; what was started from it goes on, and prints to the node's console. */
  close(): Promise<void>
}

const nothing: Completion = { insert: '', choices: [] }

/**
 * Starts IEx's own server, or `shell` of OTP, on the node, with us as its terminal: so helpers, `IEx.pry`, `.iex.exs`,
 * records and history of results are what they are there. IEx's application is started where it does not run.
 *
 * @throws {CuddleError} `no-elixir`, `console-failed`, and what `node.spawn` throws
 */
export async function openConsole(node: BeamNode, options: ConsoleOptions): Promise<BeamConsole> {
  const { language, terminal, colours = false, timeoutMs = 10_000 } = options
  const { forms } = await compileOnce(node, leadExpression)
  const started = Promise.withResolvers<Pid>()
  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => {})
  const open = new Map<string, AbortController>()
  const device = new ConsoleDevice(terminal, {
    binary: language === 'elixir',
    apply: (module, name, args) => node.rpc(module, name, args, { output: 'ignore' }),
  })
  let lead: Pid | undefined

  const serve = async (reference: Reference, request: Term): Promise<void> => {
    const key = reference.ids.join()
    const asker = new AbortController()
    open.set(key, asker)
    try {
      const answer = await device.answer(request, asker.signal)
      if (!asker.signal.aborted) owner.send(lead!, tuple(atom('answer'), reference, answer))
    } catch (error) {
      if (error instanceof EndOfInput) leave()
      else if (!node.isClosed) {
        const why = tuple(atom('error'), tuple(atom('console'), charlist(errorMessage(error))))
        owner.send(lead!, tuple(atom('answer'), reference, why))
      }
    } finally {
      open.delete(key)
    }
  }
  const owner = node.process({
    message(term) {
      const [tag, a, b] = elements(term) ?? [term]
      if (isAtom(tag, 'started') && a instanceof Pid) started.resolve(a)
      else if (isAtom(tag, 'request') && a instanceof Reference) void serve(a, b)
      else if (isAtom(tag, 'gone') && a instanceof Reference) open.get(a.ids.join())?.abort()
      else if (isAtom(tag, 'ended')) ended.resolve()
    },
    exit(_, reason) {
      const why = new CuddleError('console-failed', `the console of ${node.name} ended: ${whyText(reason)}`)
      started.reject(why)
      if (isAtom(reason, 'normal')) ended.resolve()
      else ended.reject(why)
    },
    lost(reason) {
      started.reject(reason)
      ended.reject(reason)
      for (const asker of open.values()) asker.abort()
    },
  })
  const leave = () => {
    if (!node.isClosed && lead) owner.send(lead, atom('leave'))
  }
  const bindings = bindingsTerm({ Owner: owner.pid, Language: atom(language), Colours: bool(colours) })
  try {
    if (language === 'elixir' && !(await node.hasElixir())) {
      throw new CuddleError('no-elixir', `node ${node.name} runs no Elixir`, { hint: 'ask for an Erlang shell' })
    }
    lead = await node.spawn(owner, ['erl_eval', 'exprs', [forms, bindings]], { timeoutMs })
  } catch (error) {
    owner.close()
    throw error
  }
  const shell = await started.promise

  return {
    ended: ended.promise,
    interrupt: () => node.isClosed || owner.send(lead!, atom('interrupt')),
    async complete(before) {
      const reversed = charlist(before).reverse()
      const [module, name, args]: [string, string, Term[]] =
        language === 'elixir'
          ? ['Elixir.IEx.Autocomplete', 'expand', [reversed, shell]]
          : ['edlin_expand', 'expand', Number(node.otpRelease) < 26 ? [reversed] : [reversed, []]]
      const answer = await node.rpc(module, name, args, { output: 'ignore', timeoutMs: 2000 }).catch(() => undefined)
      const [found, insert, choices] = elements(answer, 3) ?? []
      if (found === undefined) return nothing
      return { insert: textOf(insert) ?? '', choices: (listOf(choices) ?? []).flatMap(choiceText) }
    },
    async close() {
      leave()
      await ended.promise.catch(() => {})
      owner.close()
    },
  }
}

function whyText(reason: Term): string {
  const [what] = elements(reason) ?? [reason]
  return textOf(what) ?? 'it crashed'
}

/** Elixir gives texts, Erlang `{"name", Arity}`, and from OTP 26 on sections with `elems` of `{"name", Options}`. */
function choiceText(choice: Term): string[] {
  if (choice instanceof TermMap) return (listOf(choice.field('elems')) ?? []).flatMap(choiceText)
  const [name, ending] = elements(choice) ?? [choice]
  const text = textOf(name)
  if (text === undefined) return []
  return [typeof ending === 'number' ? `${text}/${ending}` : text]
}
