defmodule Tally do
  @moduledoc """
  Numbers with names, kept in memory by every node of the cluster: a node that is killed takes none of them along.

  Each node counts for itself, and everybody knows everybody's counts: the sum is the number (a grow-only counter, the
  simplest CRDT). Counts only grow, so two that tell of the same node are settled by taking the larger one, and it
  does not matter in which order, or how often, nodes hear of each other.
  """
  use GenServer

  @version "v1"
  @alone_ms 2_000

  def version, do: @version

  @doc "Adds one, and says so. When this returns, all nodes that are there know it."
  def count(name) do
    {text, change} = GenServer.call(__MODULE__, {:count, name})
    GenServer.multi_call(Node.list(), __MODULE__, {:merge, change}, 1_000)
    text
  end

  @doc "All numbers, by name."
  def all, do: GenServer.call(__MODULE__, :all)

  @doc "Whether this node has heard from another one, or has waited long enough to believe that it is the first."
  def ready?, do: GenServer.call(__MODULE__, :ready?)

  def start_link(_options), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil) do
    :net_kernel.monitor_nodes(true)
    Process.send_after(self(), :alone, @alone_ms)
    {:ok, %{me: {node(), System.system_time()}, counts: %{}, ready: false}, {:continue, :greet}}
  end

  @impl true
  def handle_continue(:greet, state) do
    # Who was connected before this process was there told it in vain.
    GenServer.abcast(Node.list(), __MODULE__, {:tell, node()})
    {:noreply, state}
  end

  @impl true
  def handle_call({:count, name}, _from, %{me: me, counts: counts} = state) do
    mine = counts |> Map.get(name, %{}) |> Map.get(me, 0)
    change = %{name => %{me => mine + 1}}
    counts = merge(counts, change)
    {:reply, {"#{name} is #{value(counts[name])}, says #{@version}", change}, %{state | counts: counts}}
  end

  def handle_call({:merge, change}, _from, state), do: {:reply, :ok, %{state | counts: merge(state.counts, change)}}

  def handle_call(:all, _from, state) do
    {:reply, Map.new(state.counts, fn {name, counts} -> {name, value(counts)} end), state}
  end

  def handle_call(:ready?, _from, state), do: {:reply, state.ready, state}

  @impl true
  def handle_info({:nodeup, node}, state), do: {:noreply, tell([node], state)}
  def handle_info(:alone, state), do: {:noreply, %{state | ready: true}}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def handle_cast({:know, counts}, state), do: {:noreply, %{state | counts: merge(state.counts, counts), ready: true}}
  def handle_cast({:tell, node}, state), do: {:noreply, tell([node], state)}

  defp tell(nodes, state) do
    GenServer.abcast(nodes, __MODULE__, {:know, state.counts})
    state
  end

  defp merge(a, b), do: Map.merge(a, b, fn _name, a, b -> Map.merge(a, b, fn _node, a, b -> max(a, b) end) end)

  defp value(counts), do: counts |> Map.values() |> Enum.sum()
end
