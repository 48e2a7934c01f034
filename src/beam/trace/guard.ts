/*
 * Traces on the node, within limits. Two processes: a guard, linked to us, which owns everything that has to be taken back,
 * and a tracer, which gets the VM's messages. First calls are only counted (breakpoints without messages); they are reported
 * one by one only when there are not too many. The tracer never waits (it sends with `nosuspend`), gives up at the limits
 * and when its mailbox grows, and dies at a heap of its own; with it the VM drops the flags of all processes. The guard
 * takes the breakpoints back when the time is over, when the tracer is gone, and when we are; the tracer does when the guard is.
 *
 * Bound: Owner, our pid; ModuleName and FunctionName, binaries (what somebody types must make no atoms); Arity; '_' for any function or
 * arity; Returns; Limit; Rate; CountMs; DurationMs; Chars; Language.
 */
export const guardExpression = `
Guard = self(),
process_flag(trap_exit, true),
erlang:send_after(DurationMs, self(), deadline),
Any = fun('_', _) -> true; (X, X) -> true; (_, _) -> false end,
Existing = fun(Name) -> try binary_to_existing_atom(Name, utf8) catch error:badarg -> '$unknown' end end,
Module = case Existing(ModuleName) of
  '$unknown' ->
    case code:where_is_file(unicode:characters_to_list(ModuleName) ++ ".beam") of
      non_existing -> '$unknown';
      _ -> binary_to_atom(ModuleName, utf8)
    end;
  Loaded -> Loaded
end,
_ = code:ensure_loaded(Module),
Function = case FunctionName of '_' -> '_'; _ -> Existing(FunctionName) end,
Functions = try [{F, A} || {F, A} <- Module:module_info(functions), Any(Function, F), Any(Arity, A)] catch error:undef -> [] end,
Clear = fun(Flags) -> [erlang:trace_pattern({Module, F, A}, false, Flags) || {F, A} <- Functions] end,
Taken = fun() ->
  lists:any(fun({F, A}) -> case erlang:trace_info({Module, F, A}, all) of {all, false} -> false; {all, undefined} -> false; _ -> true end end, Functions)
end,
Name = fun(P) -> case process_info(P, registered_name) of {registered_name, N} -> atom_to_binary(N, utf8); _ -> list_to_binary(pid_to_list(P)) end end,
Plain = fun(T) -> unicode:characters_to_binary(io_lib:format("~0tp", [T], [{chars_limit, Chars}])) end,
Show = fun(T) ->
  case Language of
    elixir ->
      try 'Elixir.String':slice('Elixir.Kernel':inspect(T, [{limit, 20}, {printable_limit, Chars}]), 0, Chars)
      catch _:_ -> Plain(T) end;
    erlang -> Plain(T)
  end
end,
Send = fun(Event) -> erlang:send(Owner, Event, [nosuspend, noconnect]) end,
Begin = erlang:monotonic_time(millisecond),
Trace = fun() ->
  process_flag(trap_exit, true),
  Loop = fun Loop(Left, Window, InWindow) ->
    Report = fun(Kind, P, F, A, Texts) ->
      Now = erlang:monotonic_time(millisecond),
      {W, N} = case Now - Window < 1000 of true -> {Window, InWindow + 1}; false -> {Now, 1} end,
      {message_queue_len, Waiting} = process_info(self(), message_queue_len),
      Sent = Send({event, Kind, Name(P), F, A, Texts, Now - Begin}),
      if
        Sent =/= ok -> exit({limit, slow});
        Left =< 1 -> exit({limit, events});
        N > Rate -> exit({limit, rate});
        Waiting > 5000 -> exit({limit, rate});
        true -> Loop(Left - 1, W, N)
      end
    end,
    receive
      {trace, P, call, {_, F, Args}} -> Report(call, P, F, length(Args), [Show(Arg) || Arg <- Args]);
      {trace, P, return_from, {_, F, A}, Value} -> Report(return, P, F, A, [Show(Value)]);
      {trace, P, exception_from, {_, F, A}, {Class, Value}} -> Report(exception, P, F, A, [atom_to_binary(Class, utf8), Show(Value)]);
      {'EXIT', Guard, _} -> Clear([local]), exit(normal);
      _ -> Loop(Left, Window, InWindow)
    end
  end,
  Loop(Limit, Begin, 0)
end,
Wait = fun Wait(Tracer) ->
  receive
    deadline -> time;
    stop -> stopped;
    {'EXIT', Owner, _} -> gone;
    {'EXIT', Tracer, {limit, Why}} -> Why;
    {'EXIT', Tracer, _} -> memory;
    _ -> Wait(Tracer)
  end
end,
Counted = fun() ->
  lists:foreach(fun({F, A}) -> erlang:trace_pattern({Module, F, A}, true, [local, call_count]) end, Functions),
  From = erlang:monotonic_time(millisecond),
  Ended = receive {'EXIT', Owner, _} -> gone; stop -> stopped; deadline -> time after CountMs -> counted end,
  Took = max(1, erlang:monotonic_time(millisecond) - From),
  Counts = [{F, A, C} || {F, A} <- Functions, {call_count, C} <- [erlang:trace_info({Module, F, A}, call_count)], is_integer(C)],
  Clear([local, call_count]),
  {Ended, Took, Counts}
end,
Follow = fun() ->
  Options = [link, {priority, high}, {max_heap_size, #{size => 8000000, kill => true, error_logger => false}}],
  Tracer = spawn_opt(Trace, Options),
  Spec = case Returns of true -> [{'_', [], [{exception_trace}]}]; false -> true end,
  try
    lists:foreach(fun({F, A}) -> erlang:trace_pattern({Module, F, A}, Spec, [local]) end, Functions),
    erlang:trace(all, true, [call, {tracer, Tracer}]),
    erlang:trace(self(), false, [call]),
    Wait(Tracer)
  catch
    error:badarg -> taken
  after
    unlink(Tracer),
    exit(Tracer, kill),
    Gone = monitor(process, Tracer),
    receive {'DOWN', Gone, process, _, _} -> ok end,
    Clear([local])
  end
end,
Run = fun() ->
  case Functions of
    [] -> nothing;
    _ ->
      case Taken() of
        true -> taken;
        false ->
          {Ended, Took, Counts} = Counted(),
          Owner ! {counts, Took, Counts},
          Total = lists:sum([C || {_, _, C} <- Counts]),
          if
            Ended =/= counted -> Ended;
            Limit =:= 0 -> counted;
            Total * 1000 div Took > Rate -> busy;
            true -> Follow()
          end
      end
  end
end,
case catch register(cuddle_trace, self()) of
  true -> Why = Run(), Owner ! {ended, Why};
  _ -> Owner ! {ended, taken}
end
`
