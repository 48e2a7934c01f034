%% Accepts connections. Each is served by a process of its own, so that one that crashes harms no other.
-module(hello_listener).
-behaviour(gen_server).
-export([start_link/0, drain/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(DRAIN_MS, 20000).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Takes no more connections, and returns when the open ones are done.
drain() ->
    gen_server:call(?MODULE, drain, ?DRAIN_MS).

init([]) ->
    {ok, Address} = inet:parse_address(os:getenv("HOST", "0.0.0.0")),
    Port = list_to_integer(os:getenv("PORT", "4000")),
    Options = [binary, {ip, Address}, {packet, http_bin}, {active, false},
               {reuseaddr, true}, {nodelay, true}, {backlog, 1024}],
    case gen_tcp:listen(Port, Options) of
        {ok, Listener} ->
            Self = self(),
            [spawn_link(fun() -> accept(Listener, Self) end) || _ <- lists:seq(1, 4)],
            io:format("hello ~s listens on ~B~n", [hello:version(), Port]),
            {ok, #{listener => Listener, open => #{}, drained => none}};
        {error, Reason} ->
            {stop, {cannot_listen, Port, inet:format_error(Reason)}}
    end.

accept(Listener, Server) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} ->
            Pid = spawn(hello_connection, serve, [Socket]),
            gen_server:cast(Server, {opened, Pid}),
            _ = gen_tcp:controlling_process(Socket, Pid),
            Pid ! go,
            accept(Listener, Server);
        {error, closed} ->
            ok
    end.

handle_cast({opened, Pid}, State = #{open := Open}) ->
    {noreply, State#{open := Open#{monitor(process, Pid) => Pid}}}.

handle_call(drain, From, State = #{listener := Listener, open := Open}) ->
    gen_tcp:close(Listener),
    [Pid ! drain || Pid <- maps:values(Open)],
    settle(State#{drained := From}).

handle_info({'DOWN', Ref, process, _Pid, _Reason}, State = #{open := Open}) ->
    settle(State#{open := maps:remove(Ref, Open)}).

settle(State = #{open := Open, drained := From}) when map_size(Open) =:= 0, From =/= none ->
    gen_server:reply(From, ok),
    {noreply, State#{drained := none}};
settle(State) ->
    {noreply, State}.
