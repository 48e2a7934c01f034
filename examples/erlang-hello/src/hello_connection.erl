%% HTTP/1.1 on one socket: Erlang's own parser reads the requests, hello:call/1 answers them.
-module(hello_connection).
-export([serve/1]).

-define(IDLE_MS, 60000).

serve(Socket) ->
    receive
        go -> next_request(Socket)
    after 5000 -> gen_tcp:close(Socket)
    end.

%% Between two requests the connection listens to both the client and the drain.
next_request(Socket) ->
    ok = inet:setopts(Socket, [{packet, http_bin}, {active, once}]),
    receive
        {http, Socket, {http_request, _Method, {abs_path, Path}, _Version}} ->
            Headers = headers(Socket, #{}),
            ok = skip_body(Socket, maps:get('Content-Length', Headers, <<"0">>)),
            reply(Socket, hello:call(Path), keep_alive(Headers));
        {http, Socket, _Malformed} ->
            reply(Socket, {400, <<"bad request\n">>}, false);
        {tcp_closed, Socket} -> ok;
        {tcp_error, Socket, _Reason} -> ok;
        drain -> gen_tcp:close(Socket)
    after ?IDLE_MS -> gen_tcp:close(Socket)
    end.

reply(Socket, {Status, Body}, KeepAlive) ->
    Connection = case KeepAlive of true -> "keep-alive"; false -> "close" end,
    gen_tcp:send(Socket, [
        io_lib:format("HTTP/1.1 ~B ~s\r\n", [Status, reason(Status)]),
        "content-type: text/plain; charset=utf-8\r\n",
        io_lib:format("content-length: ~B\r\n", [iolist_size(Body)]),
        "connection: ", Connection, "\r\n\r\n",
        Body
    ]),
    case KeepAlive of
        true -> next_request(Socket);
        false -> gen_tcp:close(Socket)
    end.

%% A drain that came while a request was served closes the connection after it.
keep_alive(#{'Connection' := <<"close">>}) -> false;
keep_alive(_Headers) ->
    receive drain -> false after 0 -> true end.

headers(Socket, Headers) ->
    case gen_tcp:recv(Socket, 0, 10000) of
        {ok, {http_header, _, Name, _, Value}} -> headers(Socket, Headers#{Name => Value});
        {ok, http_eoh} -> Headers
    end.

skip_body(_Socket, <<"0">>) -> ok;
skip_body(Socket, Length) ->
    ok = inet:setopts(Socket, [{packet, raw}]),
    {ok, _Body} = gen_tcp:recv(Socket, binary_to_integer(Length), 10000),
    ok.

reason(200) -> "OK";
reason(400) -> "Bad Request";
reason(404) -> "Not Found".
