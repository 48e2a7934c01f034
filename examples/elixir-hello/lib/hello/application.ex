defmodule Hello.Application do
  use Application

  @impl true
  def start(_type, _args) do
    port = String.to_integer(System.get_env("PORT", "4000"))
    host = System.get_env("HOST", "0.0.0.0")

    # The listener is the last to start and so the first to stop: new connections end before the open ones.
    children = [
      {Task.Supervisor, name: Hello.Connections},
      {Hello.Listener, host: host, port: port}
    ]

    Supervisor.start_link(children, strategy: :rest_for_one, name: Hello.Supervisor)
  end

  # SIGTERM ends here, before anything is stopped: whoever is being served is served to the end.
  @impl true
  def prep_stop(state) do
    Hello.Listener.drain()
    state
  end
end
