defmodule Abacus.Application do
  use Application

  @impl true
  def start(_type, _args) do
    port = String.to_integer(System.get_env("PORT", "4000"))
    host = System.get_env("HOST", "0.0.0.0")

    children = [
      Handover,
      {Task.Supervisor, name: Abacus.Connections},
      {Abacus.Web, host: host, port: port}
    ]

    Supervisor.start_link(children, strategy: :rest_for_one, name: Abacus.Supervisor)
  end
end
