%% What the app says. Change the version, commit, push.
-module(hello).
-export([version/0, call/1]).

version() -> "v1".

call(<<"/">>) -> {200, ["Hello from ", version(), ", pid ", os:getpid(), "\n"]};
call(<<"/healthz">>) -> {200, "ok\n"};
call(<<"/crash">>) -> error(somebody_asked_for_it);
call(<<"/halt">>) -> halt(1);
call(_Path) -> {404, "not found\n"}.
