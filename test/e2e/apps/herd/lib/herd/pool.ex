defmodule Herd.Pool do
  @moduledoc "A supervisor of a few agents. What the tests of supervisors change."
  use Supervisor

  def start_link(_), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)

  @impl true
  def init(_), do: Supervisor.init([agent(:one), agent(:two)], strategy: :one_for_one)

  defp agent(id), do: %{id: id, start: {Agent, :start_link, [List, :wrap, [id]]}}
end
