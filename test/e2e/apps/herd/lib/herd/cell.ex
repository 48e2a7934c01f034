defmodule Herd.Cell do
  @moduledoc "A number in a process. What the tests change."
  use GenServer

  def version, do: "v1"

  def start(id), do: DynamicSupervisor.start_child(Herd.Cells, {__MODULE__, id})
  def start_link(id), do: GenServer.start_link(__MODULE__, 0, name: {:via, Registry, {Herd.Names, id}})
  def add(id), do: GenServer.call({:via, Registry, {Herd.Names, id}}, :add, 15_000)

  def sum do
    for {_, pid, _, _} <- DynamicSupervisor.which_children(Herd.Cells), reduce: 0 do
      sum -> sum + GenServer.call(pid, :value, 15_000)
    end
  end

  @impl true
  def init(n), do: {:ok, n}

  # state: an integer
  @impl true
  def handle_call(:add, _from, n), do: {:reply, n + 1, n + 1}
  def handle_call(:value, _from, n), do: {:reply, n, n}
end
