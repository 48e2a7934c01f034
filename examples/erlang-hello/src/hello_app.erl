-module(hello_app).
-behaviour(application).
-export([start/2, prep_stop/1, stop/1]).

start(_Type, _Args) ->
    hello_sup:start_link().

%% SIGTERM ends here, before anything is stopped: open requests get their answer.
prep_stop(State) ->
    hello_listener:drain(),
    State.

stop(_State) ->
    ok.
