import { shortHash } from '#lib'

/** Variables that the helper is started with, in the order in which the compiled one takes them. */
export const helperVariables = ['Owner', 'SurveyMs', 'Given'] as const

/** What it is given, or told later with `prepare`, in this order. */
export const upgradeVariables = [
  'ChangeMs',
  'Direction',
  'Extra',
  'Hard',
  'HoldMs',
  'KillStuck',
  'Modules',
  'PrepareMs',
  'Removed',
  'SnapshotBytes',
  'SuspendMs',
  'Targets',
  'Undo',
] as const

/** The name of the helper as a module: another one for another source, so that nodes never have two in one. */
export function helperName(): string {
  return `cuddle_hot_${shortHash(helperSource, 8)}`
}

/** The helper as a module with one function, `run`. */
export function helperModule(): string {
  const variables = helperVariables.join(', ')
  return `-module(${helperName()}).\n-export([run/${helperVariables.length}]).\nrun(${variables}) ->\n${helperSource.trim()}.\n`
}

/**
 * What runs on the node during a hot upgrade: one process, linked to us, of a module of ours that is loaded into the node and stays there
 * (compiled beforehand: `generated/helper.ts`); interpreted by `erl_eval` where it cannot be loaded. It traps exits and never waits without a limit: when we vanish, or say nothing for too long, it puts the old
 * code and state back and resumes what it suspended. It looks at all processes when it is started; then it obeys `prepare` (which may come with it), `apply`, and `commit`
 * or `abort`, and reports after each; every report is `{Self, Kind, Details}`.
 *
 * Requests to processes are the messages of sys(3), sent to all of them before the first answer is awaited: ten thousand
 * are suspended together, not one after the other. Signals between two processes keep their order, so a `resume`
 * sent after a `suspend` that was not answered heals that process too.
 */
export const helperSource = `
process_flag(trap_exit, true),
process_flag(min_heap_size, 1000000),
process_flag(message_queue_data, off_heap),
Self = self(),
Tell = fun(Kind, Details) -> Owner ! {Self, Kind, Details} end,
Entry = fun(Key, Entries) -> case lists:keyfind(Key, 1, Entries) of {_, Value} -> Value; false -> none end end,
%% What each process was started as, and its size: asked once, for every answer is a copy of its dictionary.
Look = fun(Ps) ->
  maps:from_list([{P, case erlang:process_info(P, [dictionary, memory]) of
    [{_, Entries}, {_, Bytes}] -> {Entry('$initial_call', Entries), Bytes};
    undefined -> {none, 0}
  end} || P <- Ps, P =/= Self])
end,
First = Look(processes()),
{${upgradeVariables.join(', ')}} = binary_to_term(case Given of
  none ->
    receive
      {cuddle, prepare, Told} -> Told;
      {'EXIT', Owner, _} -> exit(normal)
    after SurveyMs -> exit(normal)
    end;
  _ -> Given
end),

Limit = fun(L) -> lists:sublist(L, 50) end,
Md5 = fun(M) -> try erlang:get_module_info(M, md5) catch _:_ -> none end end,
Vsn = fun(M) -> try proplists:get_value(vsn, erlang:get_module_info(M, attributes)) of [V] -> V; V -> V catch _:_ -> undefined end end,
Now = fun() -> erlang:monotonic_time(microsecond) end,
Describe = fun(P) -> {P, try case proc_lib:initial_call(P) of {IM, IF, IA} -> {IM, IF, length(IA)}; false -> element(2, erlang:process_info(P, initial_call)) end catch _:_ -> unknown end} end,

Collect = fun Collect(_, Pending, _, Acc, States) when map_size(Pending) =:= 0 -> {Acc, [], States};
  Collect(Tag, Pending, Until, Acc, States) ->
    receive
      {{Tag, P}, Reply} -> Collect(Tag, maps:remove(P, Pending), Until, [{P, Reply} | Acc], States);
      {{Tag, P, state}, State} -> Collect(Tag, Pending, Until, Acc, [{P, State} | States]);
      {'DOWN', _, process, P, _} -> put({down, P}, true), Collect(Tag, maps:remove(P, Pending), Until, Acc, States)
    after max(0, Until - erlang:monotonic_time(millisecond)) -> {Acc, maps:keys(Pending), States}
    end
end,
%% As long as nobody dies or is late it is enough to count answers.
Unanswered = fun(Asked, Replies) -> maps:without([P || {P, _} <- Replies], maps:from_list([{P, true} || {P, _} <- Asked])) end,
Count = fun Count(_, _, 0, _, Acc, States) -> {Acc, [], States};
  Count(Asked, Tag, Left, Until, Acc, States) ->
    receive
      {{Tag, P}, Reply} -> Count(Asked, Tag, Left - 1, Until, [{P, Reply} | Acc], States);
      {{Tag, P, state}, State} -> Count(Asked, Tag, Left, Until, Acc, [{P, State} | States]);
      {'DOWN', _, process, P, _} -> put({down, P}, true), Collect(Tag, maps:remove(P, Unanswered(Asked, Acc)), Until, Acc, States)
    after max(0, Until - erlang:monotonic_time(millisecond)) -> {Acc, maps:keys(Unanswered(Asked, Acc)), States}
    end
end,
%% With states: each is asked for its state just before the request, in one turn of the process.
AskAll = fun(Requests, Ms, States) ->
  Tag = make_ref(),
  Alive = [R || {P, _} = R <- Requests, get({down, P}) =:= undefined],
  lists:foreach(fun({P, Request}) ->
      States andalso (P ! {system, {Self, {Tag, P, state}}, get_state}),
      P ! {system, {Self, {Tag, P}}, Request}
  end, Alive),
  Count(Alive, Tag, length(Alive), erlang:monotonic_time(millisecond) + Ms, [], [])
end,
Ask = fun(Requests, Ms) -> {Replies, Late, _} = AskAll(Requests, Ms, false), {Replies, Late} end,

%% Not made where the states are in scope: a fun takes along what it can see.
Constant = fun(Value) -> fun(_) -> Value end end,
%% get_state and replace_state answer with the bare state, or {error, Why}.
Failed = fun({error, _}) -> true; (_) -> false end,
%% Runs something in a process that can be thrown away.
Aside = fun(Run) ->
  {Scratch, Ref} = spawn_monitor(fun() -> exit({aside, try {done, Run()} catch _:Why -> {raised, Why} end}) end),
  receive
    {'DOWN', Ref, _, _, {aside, Answer}} -> Answer;
    {'DOWN', Ref, _, _, Why} -> {raised, Why}
  after ChangeMs -> exit(Scratch, kill), erlang:demonitor(Ref, [flush]), timeout
  end
end,
Users = fun(M) -> [P || P <- processes(), P =/= Self, erlang:check_process_code(P, M)] end,
Purge = fun(Ms) ->
  case [M || M <- Ms, erlang:check_old_code(M), not code:soft_purge(M)] of
    [] -> [];
    Held when Hard -> lists:foreach(fun code:purge/1, Held), [];
    Held -> [begin Ps = Users(M), {M, Limit([Describe(P) || P <- Ps]), length(Ps)} end || M <- Held]
  end
end,

Exports = fun(M, F, A) -> erlang:function_exported(M, F, A) end,
Call = fun(P, Known) -> case Known of #{P := {What, _}} -> What; _ -> none end end,
Classify = fun(P, What, Is) ->
  case What of
    {supervisor, M, _} when is_map_key(M, Is) -> {P, M, supervisor};
    {M, init, 1} when is_map_key(M, Is) -> {P, M, gen};
    {M, _, _} when is_map_key(M, Is) ->
      case Exports(M, system_code_change, 4) of true -> {P, M, special}; false -> none end;
    _ -> none
  end
end,
Scan = fun(Known, Is) -> [X || {P, {What, _}} <- maps:to_list(Known), (X = Classify(P, What, Is)) =/= none] end,
Supervises = fun({supervisor, _, _}) -> true; ({'Elixir.DynamicSupervisor', init, _}) -> true; (_) -> false end,
Children = fun(Supervisors, Known, Is) ->
  [{P, M, gen} || S <- Supervisors,
    {_, P, worker, [M | _]} <- try gen_server:call(S, which_children, 2000) catch _:_ -> [] end,
    is_map_key(M, Is), case Call(P, Known) of {Other, init, 1} -> Other =/= M; _ -> false end]
end,
Parent = fun(P) ->
  case erlang:process_info(P, dictionary) of
    {_, Entries} -> case Entry('$ancestors', Entries) of [A | _] when is_atom(A) -> whereis(A); [A | _] -> A; _ -> undefined end;
    undefined -> undefined
  end
end,
Migrates = fun({_, _, supervisor}) -> false;
  ({_, _, special}) -> true;
  ({_, M, gen}) -> Exports(M, code_change, 3) orelse Exports(M, code_change, 4)
end,

Watch = fun(Found) -> lists:foreach(fun({P, _, _}) -> erlang:monitor(process, P) end, Found) end,
Prepare = fun() ->
  try register(cuddle_hot, Self) catch _:_ -> throw({refused, busy}) end,
  Plan = lists:filtermap(fun({M, Bin, Sum, Expected, Previous, File, OnLoad}) ->
    case {case Sum of none -> code:module_md5(Bin); _ -> Sum end, Md5(M)} of
      {undefined, _} -> throw({refused, {bad_binary, M}});
      {Same, Same} -> false;
      {New, none} -> {true, {M, Bin, New, File, none, none, OnLoad}};
      {_, Old} when Expected =/= any, Old =/= Expected -> throw({refused, {unexpected_version, M}});
      {New, Old} ->
        Where = case code:which(M) of Path when is_list(Path) -> Path; _ -> File end,
        Fits = fun(B) -> is_binary(B) andalso code:module_md5(B) =:= Old end,
        %% What was expected is what was sent along; only the rest is looked for on disk.
        Known = is_binary(Previous) andalso (Expected =:= Old orelse Fits(Previous)),
        case Known of
          true -> {true, {M, Bin, New, Where, Old, Previous, OnLoad}};
          false ->
            case code:get_object_code(M) of
              {_, B0, _} -> case Fits(B0) of true -> {true, {M, Bin, New, Where, Old, B0, OnLoad}}; false -> throw({refused, {no_previous_binary, M}}) end;
              error -> throw({refused, {no_previous_binary, M}})
            end
        end
    end
  end, Modules),
  case Purge([M || {M, _, _, _, _, _, _} <- Plan] ++ Removed) of
    [] -> ok;
    Lingering -> throw({refused, {lingering, Lingering}})
  end,
  Together = [{M, File, Bin} || {M, Bin, _, File, _, _, false} <- Plan],
  Prepared = case code:prepare_loading(Together) of
    {ok, Ready} -> Ready;
    {error, Whys} -> throw({refused, {not_loadable, Whys}})
  end,
  Is = maps:from_list([{M, true} || {M, _, _, _, Old, _, _} <- Plan, Old =/= none]),
  Supervisors = case map_size(Is) of 0 -> []; _ -> [P || {P, {What, _}} <- maps:to_list(First), Supervises(What)] end,
  Found = lists:ukeysort(1, Children(Supervisors, First, Is) ++ Scan(First, Is)),
  Watch(Found),
  {Plan, Prepared, Is, Found}
end,

Suspend = fun(Found) ->
  put(suspended, Found ++ get(suspended)),
  case Ask([{P, suspend} || {P, _, _} <- Found], SuspendMs) of
    {_, []} -> ok;
    {_, Late} -> throw({failed, {not_suspended, Limit([Describe(P) || P <- Late]), length(Late)}})
  end
end,
Outcome = fun(Replies, Stuck) ->
  put(stuck, Stuck),
  case [{P, Why} || {P, {error, Why}} <- Replies] of
    [] when Stuck =:= [] -> ok;
    [] -> throw({failed, {code_change_timeout, Limit([Describe(P) || P <- Stuck]), length(Stuck)}});
    [{P, Why} | _] = Bad -> throw({failed, {code_change, Describe(P), Why, length(Bad)}})
  end
end,
Change = fun(Migrating, VsnOf, Known) ->
  Keep = lists:sum([case Known of #{P := {_, Bytes}} -> Bytes; _ -> 0 end || {P, _, _} <- Migrating]) =< SnapshotBytes,
  {Replies, Stuck, States} = AskAll([{P, {change_code, M, VsnOf(M), Extra}} || {P, M, _} <- Migrating], ChangeMs, Keep),
  Keep andalso put(snapshot, States),
  put(migrated, [P || {P, ok} <- Replies] ++ get(migrated)),
  Outcome(Replies, Stuck)
end,
%% code_change of one process of each module, in a process that can be thrown away, with a copy of its state.
Rehearse = fun(Migrating, VsnOf) ->
  Firsts = maps:values(lists:foldl(fun({_, M, gen} = X, Acc) -> Acc#{M => X}; (_, Acc) -> Acc end, #{}, Migrating)),
  {States, _} = Ask([{P, get_state} || {P, _, _} <- Firsts], SuspendMs),
  lists:foreach(fun({P, State}) ->
      {_, M, _} = lists:keyfind(P, 1, Firsts),
      Run = case {proc_lib:initial_call(P), State} of
        {{M, init, _}, {S, D}} -> case Exports(M, code_change, 4) of true -> [VsnOf(M), S, D, Extra]; false -> [VsnOf(M), State, Extra] end;
        {{M, init, _}, _} -> case Exports(M, code_change, 3) of true -> [VsnOf(M), State, Extra]; false -> none end;
        _ -> none
      end,
      case Run of
        none -> ok;
        Args ->
          case Aside(fun() -> apply(M, code_change, Args) end) of
            {done, Answer} when is_tuple(Answer), element(1, Answer) =:= ok -> ok;
            {done, {error, Why}} -> throw({failed, {code_change, Describe(P), Why, 1}});
            {done, Other} -> throw({failed, {code_change, Describe(P), {bad_return_value, Other}, 1}});
            {raised, Why} -> throw({failed, {code_change, Describe(P), Why, 1}});
            timeout -> throw({failed, {code_change_timeout, [Describe(P)], 1}})
          end
      end
  end, [R || {_, Got} = R <- States, not Failed(Got)])
end,
Load = fun(Plan, Prepared) ->
  put(loading, true),
  case code:finish_loading(Prepared) of
    ok -> ok;
    {error, Whys} -> throw({failed, {not_loaded, Whys}})
  end,
  [case code:load_binary(M, File, Bin) of {module, M} -> ok; {error, Why} -> throw({failed, {not_loaded, [{M, Why}]}}) end
    || {M, Bin, _, File, _, _, true} <- Plan],
  case [M || {M, _, New, _, _, _, _} <- Plan, Md5(M) =/= New] of
    [] -> ok;
    Wrong -> throw({failed, {not_verified, Wrong}})
  end
end,
%% The supervisors among what was found, with their states, arguments and what the present init/1 says. As release_handler, this reads the
%% state of OTP's supervisor, which ends with its module and its argument.
Trees = fun(All) ->
  Found = [{P, M} || {P, M, supervisor} <- All],
  {States, _} = Ask([{P, get_state} || {P, _} <- Found], SuspendMs),
  [begin
    {_, M} = lists:keyfind(P, 1, Found),
    Size = case is_tuple(State) of true -> tuple_size(State); false -> 0 end,
    case Size > 3 andalso element(Size - 1, State) =:= M of
      true -> {P, M, State, element(Size, State), Aside(fun() -> M:init(element(Size, State)) end)};
      false -> throw({failed, {supervision, Describe(P), M, unknown}})
    end
  end || {P, State} <- States]
end,
Spec = fun(#{id := Id, start := {M, F, _} = Start} = Child) -> {Id, {M, F, maps:get(type, Child, worker)}, Start};
  ({Id, {M, F, _} = Start, _, _, Type, _}) -> {Id, {M, F, Type}, Start}
end,
Strategy = fun(#{} = Flags) -> maps:get(strategy, Flags, one_for_one); ({Of, _, _}) -> Of end,
%% Compares what init/1 said with what it says now: children may come and be changed. Those that go, or become something else, have state
%% that nothing brings back; they go only where we take back what gave them.
Review = fun({P, M, _, Args, Was}) ->
  Unsafe = fun(Why) -> throw({failed, {supervision, Describe(P), M, Why}}) end,
  case {Was, Aside(fun() -> M:init(Args) end)} of
    {{done, {ok, {Flags0, Specs0}}}, {done, {ok, {Flags, Specs}}}} ->
      case supervisor:check_childspecs(Specs) of ok -> ok; {error, Bad} -> Unsafe({bad, Bad}) end,
      Simple = [Strategy(Flags0), Strategy(Flags)],
      case lists:member(simple_one_for_one, Simple) of
        true when Specs =:= Specs0, hd(Simple) =:= hd(tl(Simple)) -> ok;
        true -> Unsafe(simple_one_for_one);
        false -> ok
      end,
      [Old, New] = [[Spec(S) || S <- L] || L <- [Specs0, Specs]],
      Gone = [Id || {Id, _, _} <- Old, not lists:keymember(Id, 1, New)],
      case Gone of [_ | _] when not Undo -> Unsafe({removed, Gone}); _ -> ok end,
      Both = [{Id, Is0, Start0, Is1, Start1} || {Id, Is0, Start0} <- Old, {Id1, Is1, Start1} <- New, Id1 =:= Id],
      [Unsafe({other, Id}) || {Id, Is0, _, Is1, _} <- Both, Is0 =/= Is1],
      put(gone, [{P, Id} || Id <- Gone] ++ get(gone)),
      put(added, get(added) ++ [{P, Id} || {Id, _, _} <- New, not lists:keymember(Id, 1, Old)]),
      put(later, [{M, Id} || {Id, _, Start0, _, Start1} <- Both, Start0 =/= Start1] ++ get(later));
    {{done, {ok, _}}, {done, Other}} -> Unsafe({bad, Other});
    {{done, {ok, _}}, Failed1} -> Unsafe({init, Failed1});
    {Failed0, _} -> Unsafe({init, Failed0})
  end
end,
Rebuild = fun(Known, VsnOf) ->
  put(trees, [{P, State} || {P, _, State, _, _} <- Known]),
  lists:foreach(Review, Known),
  {Replies, Stuck} = Ask([{P, {change_code, M, VsnOf(M), Extra}} || {P, M, _, _, _} <- Known], ChangeMs),
  put(migrated, [P || {P, ok} <- Replies] ++ get(migrated)),
  Outcome(Replies, Stuck)
end,

%% Processes that are there since others were looked at, and use one of the modules.
Joined = fun(Known, Is) ->
  %% One that had only just begun had not said yet what it is.
  Fresh = case map_size(Is) of 0 -> #{}; _ -> Look([P || P <- processes(), Call(P, Known) =:= none]) end,
  All = maps:merge(Known, Fresh),
  Scanned = Scan(Fresh, Is),
  Others = [P || {P, {{_, init, 1}, _}} <- maps:to_list(Fresh), not lists:keymember(P, 1, Scanned)],
  Parents = [S || S <- lists:usort([Parent(P) || P <- Others]), is_pid(S), node(S) =:= node(), Supervises(Call(S, All))],
  {All, lists:ukeysort(1, Children(Parents, Fresh, Is) ++ Scanned)}
end,

Apply = fun(Plan, Prepared, Is, Found) ->
  {Known1, Late} = Joined(First, Is),
  Watch(Late),
  put(since, Now()),
  Suspend(Found ++ Late),
  {Known2, Later} = Joined(Known1, Is),
  Watch(Later),
  Suspend(Later),
  All = get(suspended),
  put(suspended_us, Now() - get(since)),
  Down = maps:from_list([{M, {down, Target}} || {M, Target} <- Targets]),
  Supervisors = Trees(All),
  case Direction of
    down ->
      Migrating = [X || X <- All, Migrates(X)],
      VsnOf = fun(M) -> maps:get(M, Down, {down, undefined}) end,
      Change(Migrating, VsnOf, Known2),
      Load(Plan, Prepared),
      %% Theirs is init/1 of the code that they will run.
      Rebuild(Supervisors, VsnOf);
    up ->
      Before = maps:from_list([{M, Vsn(M)} || M <- maps:keys(Is)]),
      put(before, Before),
      VersionOf = fun(M) -> maps:get(M, Before, undefined) end,
      Load(Plan, Prepared),
      Migrating = [X || X <- All, Migrates(X)],
      Rehearse(Migrating, VersionOf),
      Change(Migrating, VersionOf, Known2),
      Rebuild(Supervisors, VersionOf)
  end,
  #{processes => length(All), migrated => length(get(migrated)), modules => length(Plan)}
end,

Resume = fun() ->
  {_, Late} = Ask([{P, resume} || {P, _, _} <- get(suspended)], SuspendMs),
  Late
end,
Restore = fun(Plan) ->
  {Rebuilt, Migrated} = lists:partition(fun(P) -> lists:keymember(P, 1, get(trees)) end, get(migrated)),
  Stuck = get(stuck),
  Loaded = get(loading),
  Unrestored = case {Migrated, get(snapshot), Direction} of
    {[], _, _} -> [];
    {_, none, up} ->
      Before = get(before),
      {Replies, _} = Ask([{P, {change_code, M, {down, maps:get(M, Before, undefined)}, Extra}} || {P, M, _} <- get(suspended), lists:member(P, Migrated)], ChangeMs),
      Migrated -- [P || {P, ok} <- Replies];
    {_, none, down} -> Migrated;
    _ -> []
  end,
  Lingering = case Loaded of
    true ->
      Ms = [M || {M, _, _, _, Was, _, _} <- Plan, Md5(M) =/= Was],
      Held = Purge(Ms),
      Free = [M || M <- Ms, not lists:keymember(M, 1, Held)],
      Old = [{M, File, B} || {M, _, _, File, _, B, _} <- Plan, B =/= none, lists:member(M, Free)],
      case code:atomic_load([X || {M, _, _} = X <- Old, not lists:keymember(M, 1, [{N, x} || {N, _, _, _, _, _, true} <- Plan])]) of
        ok -> ok;
        {error, _} -> [code:load_binary(M, File, B) || {M, File, B} <- Old]
      end,
      [code:load_binary(M, File, B) || {M, _, _, File, _, B, true} <- Plan, B =/= none, lists:member(M, Free)],
      [begin code:delete(M), code:soft_purge(M) end || {M, _, _, _, none, _, _} <- Plan, lists:member(M, Free)],
      Held;
    _ -> []
  end,
  Lost = case get(snapshot) of
    none -> Unrestored;
    Kept ->
      States = maps:from_list([S || {_, State} = S <- Kept, not Failed(State)]),
      Back = [{P, {replace_state, Constant(maps:get(P, States))}} || P <- Migrated, is_map_key(P, States)],
      {Restored, _} = Ask(Back, SuspendMs),
      Migrated -- [P || {P, State} <- Restored, not Failed(State)]
  end,
  {Standing, _} = Ask([{P, {replace_state, Constant(State)}} || {P, State} <- get(trees), lists:member(P, Rebuilt)], SuspendMs),
  Fallen = Rebuilt -- [P || {P, State} <- Standing, not Failed(State)],
  [exit(P, kill) || KillStuck, P <- Stuck],
  Late = Resume(),
  Wrong = [M || {M, _, _, _, Old, _, _} <- Plan, Md5(M) =/= Old],
  #{lingering => Lingering, lost => Limit([Describe(P) || P <- Lost ++ Fallen, get({down, P}) =:= undefined]),
    stuck => Limit([Describe(P) || P <- Stuck]), late => Limit([Describe(P) || P <- Late, not lists:member(P, Stuck)]), wrong => Wrong,
    suspended_us => case get(since) of undefined -> 0; Since -> Now() - Since end}
end,
StartChildren = fun() ->
  [Aside(fun() -> supervisor:terminate_child(S, Id), supervisor:delete_child(S, Id) end) || {S, Id} <- get(gone)],
  [case Aside(fun() -> supervisor:restart_child(S, Id) end) of
    {done, {error, Why}} when Why =/= running, Why =/= restarting -> {Id, Why};
    {done, _} -> ok;
    {raised, Why} -> {Id, Why};
    timeout -> {Id, timeout}
  end || {S, Id} <- get(added), get({down, S}) =:= undefined]
end,

put(suspended, []), put(migrated, []), put(stuck, []), put(snapshot, none), put(loading, false),
put(trees, []), put(gone, []), put(added, []), put(later, []),
try Prepare() of
  {Plan, Prepared, Is, Found} ->
    Tell(prepared, #{modules => [M || {M, _, _, _, _, _, _} <- Plan], processes => length(Found)}),
    receive
      {cuddle, apply} ->
        Result = try {applied, Apply(Plan, Prepared, Is, Found)} catch
          throw:{failed, Why} -> {failed, Why};
          Class:Reason:Stack -> {failed, {internal, Class, Reason, Limit(Stack)}}
        end,
        Verdict = case Result of
          {failed, _} -> Result;
          {applied, Details} ->
            Tell(applied, Details),
            receive
              {cuddle, commit} -> commit;
              {cuddle, abort} -> {failed, told};
              {'EXIT', Owner, _} -> {failed, alone}
            after HoldMs -> {failed, no_word}
            end
        end,
        case Verdict of
          commit ->
            Late2 = Resume(),
            Held = Now() - get(since),
            NotStarted = [X || X <- StartChildren(), X =/= ok],
            [begin code:soft_purge(M) andalso code:delete(M) end || M <- Removed],
            Tell(committed, #{suspend_us => get(suspended_us), suspended_us => Held, not_started => NotStarted, later => Limit(get(later)),
              late => Limit([Describe(P) || P <- Late2]),
              wrong => [M || {M, _, New, _, _, _, _} <- Plan, Md5(M) =/= New]}),
            %% Looking into every process for the code from before is what the next upgrade need not wait for.
            unregister(cuddle_hot),
            process_flag(priority, low),
            %% Nodes beside this one may still wait for the CPU to go on; and the next upgrade purges what it finds.
            receive after 200 -> ok end,
            [code:soft_purge(M) || {M, _, _, _, _, _, _} <- Plan, whereis(cuddle_hot) =:= undefined, erlang:check_old_code(M)];
          {failed, Why2} ->
            Tell(aborted, {Why2, Restore(Plan)})
        end;
      {cuddle, abort} -> Tell(untouched, told);
      {'EXIT', Owner, _} -> ok
    after PrepareMs -> Tell(untouched, no_word)
    end
catch
  throw:{refused, Refusal} -> Tell(refused, Refusal);
  Class0:Reason0:Stack0 -> Tell(refused, {internal, Class0, Reason0, Limit(Stack0)})
end,
ok`
