# Sourced: cuddle_tools installs what building Erlang and Elixir apps takes (erlang, elixir, rebar3) where we are root on Debian or
# Ubuntu, else names the command. The demo goes on without them, with the Node sample.
cuddle_tools() {
  cuddle_missing=
  command -v git >/dev/null 2>&1 || cuddle_missing="$cuddle_missing git"
  command -v erl >/dev/null 2>&1 || cuddle_missing="$cuddle_missing erlang-base erlang-dev erlang-tools erlang-parsetools erlang-syntax-tools erlang-crypto erlang-ssl erlang-public-key erlang-asn1 erlang-inets erlang-runtime-tools erlang-eunit erlang-xmerl"
  command -v mix >/dev/null 2>&1 || cuddle_missing="$cuddle_missing elixir"
  command -v rebar3 >/dev/null 2>&1 || cuddle_missing="$cuddle_missing rebar3"
  [ -z "$cuddle_missing" ] && return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "cuddle: installing$cuddle_missing (once)" >&2
    {
      apt-get install -y -qq --no-install-recommends $cuddle_missing ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $cuddle_missing; }
    } >/dev/null 2>&1 && return 0
    echo "cuddle: apt-get could not install them; going on without" >&2
  fi
  echo "cuddle: for Elixir and Erlang apps: apt-get install$cuddle_missing" >&2
}
