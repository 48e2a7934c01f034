defmodule Counter do
  @moduledoc """
  A number with a name: one process somewhere in the cluster, the same for all nodes. The node that is asked first for a
  name starts it, and it is gone with that node.
  """
  use GenServer, restart: :temporary

  @version "v1"

  def version, do: @version

  @doc "Adds one, and says where the number lives."
  def increment(name), do: GenServer.call(whereis(name), :increment)

  @doc "All counters of the cluster: `{name, value, node}`."
  def all do
    for {__MODULE__, name} <- :global.registered_names(), pid = :global.whereis_name({__MODULE__, name}), is_pid(pid) do
      {name, value(pid), node(pid)}
    end
    |> Enum.sort()
  end

  def start_link(name), do: GenServer.start_link(__MODULE__, 0, name: {:global, {__MODULE__, name}})

  @impl true
  def init(value), do: {:ok, value}

  @impl true
  def handle_call(:increment, _from, value), do: {:reply, {value + 1, node()}, value + 1}
  def handle_call(:value, _from, value), do: {:reply, value, value}

  defp whereis(name) do
    case DynamicSupervisor.start_child(Counter.Supervisor, {__MODULE__, name}) do
      {:ok, pid} -> pid
      {:error, {:already_started, pid}} -> pid
    end
  end

  # Its node may go while we ask.
  defp value(pid) do
    GenServer.call(pid, :value)
  catch
    :exit, _ -> "gone"
  end
end
