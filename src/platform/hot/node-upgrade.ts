import {
  atom,
  type BeamNode,
  bindingsTerm,
  bool,
  compileOnce,
  elements,
  format,
  isAtom,
  type LocalProcess,
  listOf,
  numberOf,
  type Pid,
  type Term,
  TermMap,
  textOf,
  tuple,
} from '#beam'
import { type Clock, CuddleError, errorMessage, systemClock } from '#lib'
import { helperSource } from './helper.ts'

/** A module as it shall run. */
export interface ModuleCode {
  name: string
  /** The BEAM file. */
  binary: Uint8Array
  /** Where its file lies on the node, for modules that are new there. */
  file?: string
  /** What runs now, for a node that was upgraded before and whose disk holds something older. */
  previous?: Uint8Array
  /** `code:module_md5/1` of what must be running now; without it, anything may. */
  expected?: Uint8Array
  /** Has an `on_load` function (every NIF module): OTP refuses to load it together with others. */
  onLoad?: boolean
}

export interface HotUpgrade {
  /** Changed and new ones. Those that run already are left alone. */
  modules: readonly ModuleCode[]
  /** Modules that are gone from the release: deleted at the end, when nobody uses them. */
  removed?: readonly string[]
  /**
   * `down`: back to an older release. `code_change({down, Vsn}, …)` runs in the newer code, before the older is loaded (OTP
   * design principles, "Release Handling").
   * @default 'up'
   */
  direction?: 'up' | 'down'
  /** Of `down`: `-vsn` of the modules that come back. */
  targetVersions?: ReadonlyMap<string, Term>
}

export interface HotOptions {
  /** `Extra` of code_change. @default [] */
  extra?: Term
  /** How long the processes may take to stop in their loops, all together. @default 3000 */
  suspendTimeoutMs?: number
  /** How long the code_changes may take, all together. @default 5000 */
  changeTimeoutMs?: number
  /** How long a node keeps its processes suspended for our word; then it goes back by itself. @default 10 000 */
  holdMs?: number
  /** How long a prepared node waits for the others. @default 60 000 */
  prepareHoldMs?: number
  /**
   * Where the processes that migrate are together no larger than this, copies of their states are kept while they are suspended, and
   * an abort puts those back. Larger ones are taken back by `code_change({down, Vsn}, …)`. Bytes. @default 64 MiB
   */
  snapshotBytes?: number
  /** `hard` kills the processes that still run (or hold funs of) code from before the present one. @default 'soft' */
  purge?: 'soft' | 'hard'
  /** After an abort: kill processes whose code_change did not return, so that their supervisors restart them. @default true */
  killStuck?: boolean
  clock?: Clock
  signal?: AbortSignal
}

/** A process, and the function it was started with. */
export interface ProcessName {
  pid: string
  initialCall: string
}

export type NodeReport =
  /** The code is loaded, the processes migrated and running. */
  | {
      state: 'committed'
      processes: number
      migrated: number
      modules: number
      /** Until the last of them was suspended, and from the first suspension to the last resumption. */
      suspendMs: number
      suspendedMs: number
      /** What did not work after the point of no return: children that did not start, processes that did not answer. */
      problems: readonly string[]
    }
  /** Refused before anything was touched, or never asked to. */
  | { state: 'untouched'; reason: string; lingering: readonly Lingering[] }
  /** Everything is as before. */
  | { state: 'aborted'; reason: string; suspendedMs: number; restarted: readonly ProcessName[] }
  /** It went back as far as possible without killing anything; `left` says what is not as before. Restart the node. */
  | { state: 'damaged'; reason: string; left: readonly string[]; restarted: readonly ProcessName[] }
  /** The connection broke: a node that had not been told to commit goes back by itself. */
  | { state: 'lost'; reason: string; told: 'nothing' | 'apply' | 'commit' }

/** Processes that run code older than the present one, or hold funs made by it. */
export interface Lingering {
  module: string
  processes: readonly ProcessName[]
  /** In all; the list is cut at 50. */
  count: number
}

export interface PreparedNode {
  readonly node: BeamNode
  /** What will be loaded there, and the processes that will be suspended, as of now. */
  readonly modules: readonly string[]
  readonly processes: number
  /** Suspends, loads, migrates; the processes stay suspended. @returns undefined, or how it ended */
  apply(): Promise<NodeReport | undefined>
  /** After `apply`: lets the processes go on in the new code. */
  commit(): Promise<NodeReport>
  /** Takes everything back, from wherever it is. */
  abort(): Promise<NodeReport>
}

/**
 * Prepares one node: the new code is in its memory, not in use, and the gates are passed. Nothing has been touched.
 *
 * @returns the prepared node, or why it refuses
 */
export async function prepareNode(
  node: BeamNode,
  upgrade: HotUpgrade,
  options: HotOptions = {},
): Promise<PreparedNode | NodeReport> {
  const helper = new Helper(node, options)
  try {
    await helper.start(upgrade)
  } catch (error) {
    helper.close()
    return { state: 'lost', reason: errorMessage(error), told: 'nothing' }
  }
  const first = await helper.next(prepareTimeoutMs)
  // One that hangs may go on later: what it prepared is then forgotten, for it is linked to us.
  if (first.kind !== 'prepared') return helper.finished(first)
  const fields = first.details instanceof TermMap ? first.details : new TermMap()
  let end: NodeReport | undefined
  return {
    node,
    modules: (listOf(fields.field('modules')) ?? []).map((name) => textOf(name) ?? ''),
    processes: numberOf(fields.field('processes')) ?? 0,
    async apply() {
      end ??= await helper.apply()
      return end
    },
    commit: async () => (end ??= await helper.commit()),
    abort: async () => (end ??= await helper.abort()),
  }
}

/** Binaries of a large application travel before it answers. */
const prepareTimeoutMs = 20_000

interface Message {
  kind: string
  details: Term
}

class Helper {
  readonly #node: BeamNode
  readonly #options: HotOptions
  readonly #self: LocalProcess
  readonly #messages: Message[] = []
  #wake: () => void = () => {}
  #pid: Pid | undefined
  #told: 'nothing' | 'apply' | 'commit' = 'nothing'
  #applied: TermMap | undefined

  constructor(node: BeamNode, options: HotOptions) {
    this.#node = node
    this.#options = options
    this.#self = node.process({
      message: (term) => {
        const [, kind, details] = elements(term, 3) ?? []
        if (isAtom(kind)) this.#take(kind.name, details)
      },
      exit: (_, reason) => this.#take('gone', reason),
      lost: (reason) => this.#take('lost', Buffer.from(reason.message)),
    })
  }

  async start(upgrade: HotUpgrade): Promise<void> {
    const { forms } = await compileOnce(this.#node, helperSource)
    const bindings = bindingsTerm({ Owner: this.#self.pid, ...this.#bindings(upgrade) })
    this.#pid = await this.#node.spawn(this.#self, ['erl_eval', 'exprs', [forms, bindings]])
  }

  #bindings(upgrade: HotUpgrade): Record<string, Term> {
    const options = this.#options
    const modules = upgrade.modules.map((module) =>
      tuple(
        atom(module.name),
        module.binary,
        module.expected ?? atom('any'),
        module.previous ?? atom('none'),
        [...Buffer.from(module.file ?? `${module.name}.beam`)],
        bool(module.onLoad ?? false),
      ),
    )
    return {
      Modules: modules,
      Removed: (upgrade.removed ?? []).map(atom),
      Direction: atom(upgrade.direction ?? 'up'),
      Targets: [...(upgrade.targetVersions ?? [])].map(([name, version]) => tuple(atom(name), version)),
      Extra: options.extra ?? [],
      SuspendMs: options.suspendTimeoutMs ?? 3000,
      ChangeMs: options.changeTimeoutMs ?? 5000,
      HoldMs: options.holdMs ?? 10_000,
      PrepareMs: options.prepareHoldMs ?? 60_000,
      SnapshotBytes: options.snapshotBytes ?? 64 * 1024 * 1024,
      Hard: bool(options.purge === 'hard'),
      KillStuck: bool(options.killStuck ?? true),
    }
  }

  async apply(): Promise<NodeReport | undefined> {
    this.#tell('apply')
    this.#told = 'apply'
    const { suspendTimeoutMs = 3000, changeTimeoutMs = 5000 } = this.#options
    // The worst case is an abort: suspended twice, changed, rehearsed, restored, resumed.
    const answer = await this.next(4 * suspendTimeoutMs + 3 * changeTimeoutMs + 10_000)
    if (answer.kind !== 'applied') return this.finished(answer)
    this.#applied = answer.details instanceof TermMap ? answer.details : new TermMap()
    return undefined
  }

  async commit(): Promise<NodeReport> {
    this.#tell('commit')
    this.#told = 'commit'
    return this.finished(await this.next(this.#restoreMs()))
  }

  async abort(): Promise<NodeReport> {
    this.#tell('abort')
    return this.finished(await this.next(this.#restoreMs()))
  }

  #restoreMs(): number {
    const { suspendTimeoutMs = 3000, changeTimeoutMs = 5000 } = this.#options
    return 3 * suspendTimeoutMs + changeTimeoutMs + 10_000
  }

  #tell(word: string): void {
    try {
      if (this.#pid) this.#node.send(this.#pid, tuple(atom('cuddle'), atom(word)))
    } catch (error) {
      if (!(error instanceof CuddleError && error.code === 'node-disconnected')) throw error
    }
  }

  #take(kind: string, details: Term): void {
    this.#messages.push({ kind, details })
    this.#wake()
  }

  /** The next report; of a node that says nothing, `silent`. */
  async next(timeoutMs: number): Promise<Message> {
    if (this.#messages.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const cancel = (this.#options.clock ?? systemClock).after(timeoutMs, resolve)
      await promise
      cancel()
    }
    return this.#messages.shift() ?? { kind: 'silent', details: atom('timeout') }
  }

  /** What the last report means; the helper is not needed any more. */
  finished({ kind, details }: Message): NodeReport {
    this.close()
    if (kind === 'committed' && details instanceof TermMap) return committed(this.#applied, details)
    if (kind === 'refused') return { state: 'untouched', reason: explain(details), lingering: lingeringIn(details) }
    if (kind === 'untouched') return { state: 'untouched', reason: explain(details), lingering: [] }
    if (kind === 'aborted') return aborted(details)
    const said = kind === 'silent' ? 'it does not answer' : (textOf(details) ?? format(details, { limit: 200 }))
    return { state: 'lost', reason: said, told: this.#told }
  }

  close(): void {
    this.#self.close()
  }
}

function committed(applied: TermMap | undefined, details: TermMap): NodeReport {
  const number = (map: TermMap | undefined, name: string) => numberOf(map?.field(name)) ?? 0
  const list = (name: string) => listOf(details.field(name)) ?? []
  return {
    state: 'committed',
    processes: number(applied, 'processes'),
    migrated: number(applied, 'migrated'),
    modules: number(applied, 'modules'),
    suspendMs: number(details, 'suspend_us') / 1000,
    suspendedMs: number(details, 'suspended_us') / 1000,
    problems: [
      ...list('problems').map((item) => `a new child did not start: ${format(item, { limit: 200 })}`),
      ...names(list('late')).map(
        ({ pid, initialCall }) => `${pid} (${initialCall}) has not answered to its resumption`,
      ),
      ...list('wrong').map((name) => `${textOf(name)} runs in another version than was loaded`),
    ],
  }
}

function aborted(details: Term): NodeReport {
  const [why, state] = elements(details, 2) ?? []
  const fields = state instanceof TermMap ? state : new TermMap()
  const list = (name: string) => listOf(fields.field(name)) ?? []
  const reason = explain(why)
  const restarted = names(list('stuck'))
  const left = [
    ...lingering(fields.field('lingering')).map(
      (item) => `${item.module} stays new: ${item.count} processes run the code before it (${shown(item.processes)})`,
    ),
    ...names(list('lost')).map(({ pid, initialCall }) => `${pid} (${initialCall}) kept its migrated state`),
    ...names(list('late')).map(({ pid, initialCall }) => `${pid} (${initialCall}) has not answered to its resumption`),
    ...list('wrong').map((name) => `${textOf(name)} is not in its old version`),
  ]
  if (left.length > 0) return { state: 'damaged', reason, left, restarted }
  return { state: 'aborted', reason, suspendedMs: (numberOf(fields.field('suspended_us')) ?? 0) / 1000, restarted }
}

function names(list: readonly Term[]): ProcessName[] {
  return list.map((item) => {
    const [pid, call] = elements(item, 2) ?? []
    const [module, name, arity] = elements(call, 3) ?? []
    return {
      pid: format(pid ?? item),
      initialCall: module === undefined ? 'unknown' : `${textOf(module)}:${textOf(name)}/${numberOf(arity)}`,
    }
  })
}

function lingering(list: Term | undefined): Lingering[] {
  return (listOf(list) ?? []).map((item) => {
    const [module, processes, count] = elements(item, 3) ?? []
    return { module: textOf(module) ?? '', processes: names(listOf(processes) ?? []), count: numberOf(count) ?? 0 }
  })
}

function lingeringIn(details: Term): Lingering[] {
  const [kind, list] = elements(details, 2) ?? []
  return isAtom(kind, 'lingering') ? lingering(list) : []
}

const shown = (processes: readonly ProcessName[]) =>
  processes
    .slice(0, 3)
    .map(({ pid, initialCall }) => `${pid} ${initialCall}`)
    .join(', ')

const shownTerm = (term: Term | undefined) => (term === undefined ? 'no reason' : format(term, { limit: 300 }))

/** The reason of a refusal or an abort, in words. */
function explain(why: Term | undefined): string {
  const [kind, a, b, c] = elements(why) ?? [why]
  const about = names(a === undefined ? [] : (listOf(a) ?? [a]))
  const first = about[0] === undefined ? '' : `${about[0].pid} (${about[0].initialCall})`
  switch (textOf(kind)) {
    case 'told':
      return 'another node could not'
    case 'alone':
      return 'the control plane went away'
    case 'no_word':
      return 'the control plane said nothing more'
    case 'lingering':
      return lingering(a)
        .map(
          (item) =>
            `${item.count} processes still run code of ${item.module} from before the present one: ${shown(item.processes)}`,
        )
        .join('; ')
    case 'busy':
      return 'it is in the middle of another hot rollout'
    case 'bad_binary':
      return `the new ${textOf(a)} is no BEAM file`
    case 'unexpected_version':
      return `${textOf(a)} runs in another version than the present release has`
    case 'no_previous_binary':
      return `the present code of ${textOf(a)} is nowhere to be found, so there would be no way back`
    case 'not_loadable':
    case 'not_loaded':
      return `not loaded: ${shownTerm(a)}`
    case 'not_verified':
      return `loaded, but not what runs: ${shownTerm(a)}`
    case 'not_suspended':
      return `${numberOf(b)} processes did not stop in time, among them ${first}`
    case 'code_change':
      return `code_change failed in ${first}: ${shownTerm(b)}${numberOf(c) === 1 ? '' : ` (and in ${numberOf(c)} in all)`}`
    case 'code_change_timeout':
      return `code_change did not return in ${numberOf(b)} processes, among them ${first}`
    default:
      return shownTerm(why)
  }
}
