import {
  atom,
  type BeamNode,
  bindingsTerm,
  bool,
  compileOnce,
  elements,
  encode,
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
import { CuddleError, errorMessage, systemClock } from '#lib'
import { explain } from './explain.ts'
import { compiledHelper } from './generated/helper.ts'
import { helperSource, helperVariables, upgradeVariables } from './helper.ts'
import { aborted, committed, lingeringIn, type NodeReport } from './report.ts'
import type { HotOptions, HotUpgrade } from './upgrade-types.ts'

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

/** A node whose processes were looked at ahead of an upgrade: what takes long in preparing one, and needs no new code. */
export interface SurveyedNode {
  readonly node: BeamNode
  /** @internal */
  readonly helper: Promise<Helper>
}

/** Looks at the processes of a node, so that an upgrade within a minute needs only look at those that came since. */
export function surveyNode(node: BeamNode, options: HotOptions = {}): SurveyedNode {
  return begin(node, options)
}

function begin(node: BeamNode, options: HotOptions, given?: Uint8Array): SurveyedNode {
  const helper = new Helper(node, options)
  const started = helper.start(given).then(() => helper)
  // Whoever prepares hears of it.
  started.catch(() => helper.close())
  return { node, helper: started }
}

/**
 * Prepares one node: the new code is in its memory, not in use, and the gates are passed. Nothing has been touched.
 *
 * @param surveyed of this node, to be used once
 * @param given what {@link describeUpgrade} says, which is the same for all nodes
 * @returns the prepared node, or why it refuses
 */
export async function prepareNode(
  node: BeamNode,
  upgrade: HotUpgrade,
  options: HotOptions = {},
  surveyed?: SurveyedNode,
  given: Uint8Array = describeUpgrade(upgrade, options),
): Promise<PreparedNode | NodeReport> {
  let helper: Helper
  try {
    helper = await (surveyed ?? begin(node, options, given)).helper
  } catch (error) {
    return { state: 'lost', reason: errorMessage(error), told: 'nothing' }
  }
  try {
    if (surveyed) await helper.prepare(given, options)
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

/**
 * Loads the compiled helper unless it is there already: loading it twice more would kill one that is at work.
 * @returns false where the node does not take it
 */
async function loadHelper(node: BeamNode): Promise<boolean> {
  if (withHelper.has(node)) return true
  const loaded = await loadIt(node)
  if (loaded) withHelper.add(node)
  return loaded
}

/** Connections over which it was seen: once loaded, it stays. */
const withHelper = new WeakSet<BeamNode>()

async function loadIt(node: BeamNode): Promise<boolean> {
  const { name, beam } = compiledHelper
  const quiet = { output: 'ignore' } as const
  if (isAtom(await node.rpc('erlang', 'module_loaded', [atom(name)], quiet), 'true')) return true
  const file = [...Buffer.from(`${name}.beam`)]
  const loaded = await node.rpc('code', 'load_binary', [atom(name), file, Buffer.from(beam, 'base64')], quiet)
  return isAtom(elements(loaded, 2)?.[0], 'module')
}

/** What nodes are told to prepare, in the external term format: of a large application it is written once, not for each of them. */
export function describeUpgrade(upgrade: HotUpgrade, options: HotOptions): Uint8Array {
  const modules = upgrade.modules.map((module) =>
    tuple(
      atom(module.name),
      module.binary,
      module.md5 ?? atom('none'),
      module.expected ?? atom('any'),
      module.previous ?? atom('none'),
      [...Buffer.from(module.file ?? `${module.name}.beam`)],
      bool(module.onLoad ?? false),
    ),
  )
  const bindings: Record<(typeof upgradeVariables)[number], Term> = {
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
    Undo: bool(upgrade.undo ?? false),
  }
  return encode(tuple(...upgradeVariables.map((name) => bindings[name])))
}

/** Binaries of a large application travel before it answers. */
const prepareTimeoutMs = 20_000
/** How long a helper waits for something to prepare. */
const surveyMs = 60_000

interface Message {
  kind: string
  details: Term
}

class Helper {
  readonly #node: BeamNode
  #options: HotOptions
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

  async start(given?: Uint8Array): Promise<void> {
    const bindings = { Owner: this.#self.pid, SurveyMs: surveyMs, Given: given ?? atom('none') }
    const arguments_ = helperVariables.map((name) => bindings[name])
    if (await loadHelper(this.#node)) {
      this.#pid = await this.#node.spawn(this.#self, [compiledHelper.name, 'run', arguments_])
      return
    }
    const { forms } = await compileOnce(this.#node, helperSource)
    this.#pid = await this.#node.spawn(this.#self, ['erl_eval', 'exprs', [forms, bindingsTerm(bindings)]])
  }

  async prepare(given: Uint8Array, options: HotOptions): Promise<void> {
    this.#options = options
    await this.#node.drained()
    this.#node.send(this.#pid!, tuple(atom('cuddle'), atom('prepare'), given))
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
