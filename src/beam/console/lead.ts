/*
 * The group leader of a console on the node: a process that hands every request of Erlang's I/O protocol to us and every
 * answer back. It lives on the node, not here, because what is started in a console may outlive it: when we leave or are
 * gone it ends the shell, answers who still waits, gives all others back to the node's own console, and ends.
 *
 * Bound: Owner, our pid, linked to it; Language; Colours.
 */
export const leadExpression = `
Lead = self(),
process_flag(trap_exit, true),
Shell = case Language of
  elixir ->
    {ok, _} = application:ensure_all_started(iex),
    case Colours of
      true ->
        Known = application:get_env(iex, colors, []),
        application:set_env(iex, colors, [{enabled, true} | lists:keydelete(enabled, 1, Known)]);
      false -> ok
    end,
    group_leader(Lead, Lead),
    spawn_link(fun() -> process_flag(trap_exit, true), 'Elixir.IEx.Server':run([]) end);
  erlang ->
    group_leader(Lead, Lead),
    Erl = shell:start(true),
    link(Erl),
    Erl
end,
Owner ! {started, Shell},
Kind = fun(Request) when is_tuple(Request), element(1, Request) =/= put_chars, element(1, Request) =/= requests -> ask; (_) -> tell end,
Led = fun() -> [P || P <- processes(), P =/= Lead, process_info(P, group_leader) =:= {group_leader, Lead}] end,
Finish = fun(Open) ->
  Evaluators = case process_info(Shell, dictionary) of {dictionary, D} -> [P || {evaluator, P} <- D, is_pid(P)]; _ -> [] end,
  lists:foreach(fun(P) -> exit(P, kill) end, [Shell | Evaluators]),
  Home = case whereis(user) of undefined -> whereis(init); U -> U end,
  Return = fun Return(0) -> ok; Return(N) -> case Led() of [] -> ok; Ps -> lists:foreach(fun(P) -> group_leader(Home, P) end, Ps), Return(N - 1) end end,
  Return(3),
  Answer = fun(From, As, ask) -> From ! {io_reply, As, {error, terminated}}; (From, As, tell) -> From ! {io_reply, As, ok} end,
  lists:foreach(fun({From, As, K}) -> Answer(From, As, K) end, maps:values(Open)),
  Drain = fun Drain() -> receive {io_request, From, As, R} -> Answer(From, As, Kind(R)), Drain() after 100 -> ok end end,
  Drain(),
  Return(1)
end,
Loop = fun Loop(Open) ->
  receive
    {io_request, From, As, Request} ->
      Ref = monitor(process, From),
      Owner ! {request, Ref, Request},
      Loop(Open#{Ref => {From, As, Kind(Request)}});
    {answer, Ref, Answer} ->
      demonitor(Ref, [flush]),
      case maps:find(Ref, Open) of
        {ok, {From, As, _}} -> From ! {io_reply, As, Answer};
        error -> ok
      end,
      Loop(maps:remove(Ref, Open));
    {'DOWN', Ref, process, _, _} ->
      Owner ! {gone, Ref},
      Loop(maps:remove(Ref, Open));
    {'EXIT', Owner, _} -> Finish(Open);
    {'EXIT', Shell, _} -> Finish(Open), Owner ! ended;
    interrupt -> exit(Shell, interrupt), Loop(Open);
    leave -> Finish(Open), Owner ! ended;
    _ -> Loop(Open)
  end
end,
Loop(#{})
`
