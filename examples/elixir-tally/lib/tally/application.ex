defmodule Tally.Application do
  use Application

  @impl true
  def start(_type, _args) do
    port = String.to_integer(System.get_env("PORT", "4000"))
    host = System.get_env("HOST", "0.0.0.0")

    # The listener starts last and stops first: who is being served is served to the end.
    children = [
      Tally,
      {Task.Supervisor, name: Tally.Connections},
      {Tally.Web, host: host, port: port}
    ]

    Supervisor.start_link(children, strategy: :rest_for_one)
  end
end
