defmodule Herd.Application do
  use Application

  @impl true
  def start(_type, _args) do
    children = [
      {Registry, keys: :unique, name: Herd.Names},
      {DynamicSupervisor, name: Herd.Cells},
      {DynamicSupervisor, name: Herd.Connections},
      Herd.Pool,
      {Herd.Listener, host: System.get_env("HOST", "0.0.0.0"), port: String.to_integer(System.get_env("PORT", "4000"))}
    ]

    {:ok, supervisor} = Supervisor.start_link(children, strategy: :rest_for_one)
    for id <- 1..String.to_integer(System.get_env("CELLS", "1000")), do: {:ok, _} = Herd.Cell.start(id)
    {:ok, supervisor}
  end
end
