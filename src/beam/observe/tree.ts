import type { BeamNode } from '../distribution/index.ts'
import { compileOnce, run } from '../evaluate.ts'
import { Atom, elements, format, isAtom, listOf, numberOf, Pid, type Term, tagged } from '../term/index.ts'

export interface TreeOptions {
  /** Only these applications. @default all that run */
  applications?: readonly string[]
  /** Children listed per supervisor; of one with more, only the number is told. @default 200 */
  maxChildren?: number
  /** Levels below an application's top supervisor. @default 16 */
  maxDepth?: number
  /** Processes in all. @default 5000 */
  maxProcesses?: number
  /** How long one supervisor may take to answer. @default 1000 */
  supervisorTimeoutMs?: number
  signal?: AbortSignal
  timeoutMs?: number
}

export interface SupervisionNode {
  /** The child's id, in Erlang's syntax. */
  id: string
  /** Undefined while it is not running. */
  pid: Pid | undefined
  state: 'running' | 'restarting' | 'stopped'
  type: 'supervisor' | 'worker'
  registeredName: string | undefined
  /** From its child specification. */
  modules: readonly string[]
  /** Of a supervisor that answered. */
  children?: readonly SupervisionNode[]
  /** How many children were left out for the limits. */
  omitted?: number
  /** A supervisor that did not answer in time. */
  unresponsive?: true
}

export interface ApplicationTree {
  application: string
  /** Undefined for applications without processes. */
  root: SupervisionNode | undefined
}

/*
 * A supervisor is asked how many children it has before it is asked for them: a DynamicSupervisor may have 100 000.
 * The worker's process dictionary counts what was listed so far.
 */
const expression = `
put(left, MaxTotal),
Ask = fun(P, R) -> try gen_server:call(P, R, Timeout) catch _:_ -> unresponsive end end,
Name = fun(P) when is_pid(P) -> case erlang:process_info(P, registered_name) of {_, N} -> N; _ -> [] end; (_) -> [] end,
Count = fun(L) when is_list(L) -> max(proplists:get_value(specs, L, 0), proplists:get_value(active, L, 0)); (_) -> unresponsive end,
Walk = fun Walk(P, Depth) ->
  case Count(Ask(P, count_children)) of
    unresponsive -> unresponsive;
    N when N > MaxChildren; Depth =< 0 -> {omitted, N};
    N ->
      case get(left) - N of
        Left when Left < 0 -> {omitted, N};
        Left ->
          put(left, Left),
          case Ask(P, which_children) of
            L when is_list(L) -> [{Id, C, T, M, Name(C), case {T, is_pid(C)} of {supervisor, true} -> Walk(C, Depth - 1); _ -> none end} || {Id, C, T, M} <- L];
            _ -> unresponsive
          end
      end
  end
end,
Apps = [A || {A, _, _} <- application:which_applications(), Wanted =:= all orelse lists:member(A, Wanted)],
[case application_controller:get_master(A) of
   M when is_pid(M) ->
     case application_master:get_child(M) of
       {P, Mod} when is_pid(P) -> {A, {A, P, supervisor, [Mod], Name(P), Walk(P, MaxDepth)}};
       _ -> {A, none}
     end;
   _ -> {A, none}
 end || A <- Apps]
`

/**
 * The supervision trees of the running applications, walked on the node in one round trip, bounded in every direction.
 *
 * @throws what `node.call` throws
 */
export async function supervisionTree(node: BeamNode, options: TreeOptions = {}): Promise<ApplicationTree[]> {
  const { applications, maxChildren = 200, maxDepth = 16, maxProcesses = 5000, supervisorTimeoutMs = 1000 } = options
  const bindings = {
    Wanted: applications ? applications.map((name) => new Atom(name)) : new Atom('all'),
    MaxChildren: maxChildren,
    MaxDepth: maxDepth,
    MaxTotal: maxProcesses,
    Timeout: supervisorTimeoutMs,
  }
  const result = await run(node, await compileOnce(node, expression), bindings, {
    timeoutMs: options.timeoutMs ?? 15_000,
    output: 'ignore',
    ...(options.signal ? { signal: options.signal } : {}),
  })
  return (listOf(result) ?? []).map((pair) => {
    const [application, root] = elements(pair, 2)!
    return { application: format(application), root: elements(root) ? supervisionNode(root) : undefined }
  })
}

function supervisionNode(term: Term): SupervisionNode {
  const [id, child, type, modules, name, below] = elements(term, 6)!
  const omitted = numberOf(tagged(below, 'omitted', 2)?.[0])
  return {
    id: format(id, { limit: 200 }),
    pid: child instanceof Pid ? child : undefined,
    state: child instanceof Pid ? 'running' : isAtom(child, 'restarting') ? 'restarting' : 'stopped',
    type: isAtom(type, 'supervisor') ? 'supervisor' : 'worker',
    registeredName: name instanceof Atom ? name.name : undefined,
    modules: (listOf(modules) ?? []).flatMap((module) => (module instanceof Atom ? [module.name] : [])),
    ...(listOf(below) ? { children: listOf(below)!.map(supervisionNode) } : {}),
    ...(omitted === undefined ? {} : { omitted }),
    ...(isAtom(below, 'unresponsive') ? { unresponsive: true as const } : {}),
  }
}
