import type { BeamNode, Pid, Term } from '#beam'

/** A child as its supervisor knew it while all was well. */
interface Child {
  pid: Pid
  supervisor: Pid
  /** `Hello.Slow (child of Hello.Supervisor, shutdown 15000)` */
  shown: string
}

/** Who is under whom in a node, taken before it stops: a supervisor that stops answers no questions. */
export interface Family {
  readonly children: readonly Child[]
  readonly supervisors: readonly Pid[]
}

/** Children asked for in all, and of one supervisor. */
const limits = { MaxTotal: 2000, MaxChildren: 200, Timeout: 500 }

/*
 * `{get_childspec, Id}` only to what is a supervisor of OTP: Elixir's DynamicSupervisor knows no such question and would
 * crash.
 */
const takeFamily = `
put(left, MaxTotal),
Ask = fun(P, R) -> try gen_server:call(P, R, Timeout) catch _:_ -> none end end,
Name = fun(P) -> case erlang:process_info(P, registered_name) of {_, N} -> N; _ -> P end end,
Own = fun(P) -> try proc_lib:initial_call(P) of {supervisor, _, _} -> true; _ -> false catch _:_ -> false end end,
Limit = fun(true, S, Id, C) ->
    Key = case Id of undefined -> C; _ -> Id end,
    case Ask(S, {get_childspec, Key}) of {ok, #{shutdown := T}} -> T; _ -> unknown end;
  (false, _, _, _) -> unknown
end,
Count = fun(L) when is_list(L) -> max(proplists:get_value(specs, L, 0), proplists:get_value(active, L, 0)); (_) -> MaxTotal end,
Walk = fun Walk(S) ->
  N = Count(Ask(S, count_children)),
  Left = get(left) - N,
  case N =< MaxChildren andalso Left >= 0 of
    false -> [];
    true ->
      put(left, Left),
      O = Own(S),
      case Ask(S, which_children) of
        L when is_list(L) ->
          lists:append([[{C, S, Id, Name(S), Limit(O, S, Id, C), T} | case T of supervisor -> Walk(C); _ -> [] end]
            || {Id, C, T, _} <- L, is_pid(C)]);
        _ -> []
      end
  end
end,
Roots = [P || {A, _, _} <- application:which_applications(), A =/= kernel, M <- [application_controller:get_master(A)], is_pid(M),
  {P, _} <- [application_master:get_child(M)], is_pid(P)],
{Roots, lists:append([Walk(P) || P <- Roots])}
`

/** Each supervisor that is ending its children, with those it waits for: it monitors them (supervisor.erl, shutdown/1). */
const whoWaits = `
Ends = fun(St) -> lists:any(fun({supervisor, _, _, _}) -> true; ({'Elixir.DynamicSupervisor', _, _, _}) -> true; (_) -> false end, St) end,
Called = fun(P) -> try proc_lib:initial_call(P) of {M, _, _} -> M; false -> element(1, element(2, erlang:process_info(P, initial_call))) catch _:_ -> unknown end end,
[{S, [{P, Called(P)} || {process, P} <- Ms, is_pid(P), node(P) =:= node(), is_process_alive(P)]}
  || S <- Supervisors, [{current_stacktrace, St}, {monitors, Ms}] <- [erlang:process_info(S, [current_stacktrace, monitors])], Ends(St)]
`

/** Looks at who is under whom. @throws what `node.call` throws */
export async function lookAtFamily(node: BeamNode, timeoutMs: number): Promise<Family> {
  const { compileOnce, elements, isAtom, listOf, Pid, run } = await import('#beam')
  const found = await run(node, await compileOnce(node, takeFamily), limits, { timeoutMs, output: 'ignore' })
  const [roots, rows] = elements(found, 2) ?? []
  const supervisors = (listOf(roots) ?? []).filter((root) => root instanceof Pid)
  const children: Child[] = []
  for (const row of listOf(rows) ?? []) {
    const [pid, supervisor, id, name, shutdown, type] = elements(row, 6) ?? []
    if (!(pid instanceof Pid && supervisor instanceof Pid)) continue
    const limit = isAtom(shutdown, 'unknown') ? '' : `, shutdown ${await shown(shutdown)}`
    children.push({ pid, supervisor, shown: `${await shown(id)} (child of ${await shown(name)}${limit})` })
    if (isAtom(type, 'supervisor')) supervisors.push(pid)
  }
  return { children, supervisors }
}

/** The children that a stopping node waits for just now, outermost left out: those that really take the time. */
export async function whoIsWaitedFor(node: BeamNode, family: Family, timeoutMs: number): Promise<string[]> {
  const { compileOnce, elements, listOf, Pid, run, termKey } = await import('#beam')
  const bindings = { Supervisors: [...family.supervisors] }
  const found = await run(node, await compileOnce(node, whoWaits), bindings, { timeoutMs, output: 'ignore' })
  const rows = (listOf(found) ?? []).map((row) => elements(row, 2) ?? [])
  const waiting = new Set(rows.map(([supervisor]) => termKey(supervisor)))
  const known = new Map(family.children.map((child) => [termKey(child.pid), child]))
  const names: string[] = []
  for (const [supervisor, waitedFor] of rows) {
    for (const pair of listOf(waitedFor) ?? []) {
      const [pid, module] = elements(pair, 2) ?? []
      if (!(pid instanceof Pid) || waiting.has(termKey(pid))) continue
      names.push(known.get(termKey(pid))?.shown ?? `a ${await shown(module)} (child of ${await shown(supervisor)})`)
    }
  }
  return [...new Set(names)].sort()
}

async function shown(term: Term): Promise<string> {
  const { Atom, format } = await import('#beam')
  return term instanceof Atom ? term.name.replace(/^Elixir\./, '') : format(term, { limit: 80 })
}
