defmodule Handover do
  @moduledoc """
  Named processes whose state moves on when their node stops. One file and plain OTP: copy it.

      children = [Handover, …]                        # in the application's supervisor
      Handover.call(Abacus, "apples", {:add, 1})       # starts the process where it is not, on this node

  A module such as `Abacus` says what a process starts with and what a message does to its state. There is one process of
  a name in the cluster: `:pg` says where, and a lock per name (`:global`) guards the start.

  `handover/1` is what `beam: {handover: Handover}` in cuddle.yaml has called before a node stops, with the nodes that stay.
  Each process starts its successor there, leaves the name to it, and from then on passes messages on, so that a call which is
  on its way gets its answer too: nothing is lost and nothing is done twice. New names are started by the others from then on.
  What a node that crashes held is gone; that is not what this is for.
  """
  use Supervisor

  @callback init(name :: term) :: state :: term
  @callback handle(message :: term, state :: term) :: {reply :: term, state :: term}

  defmodule Holder do
    @moduledoc false
    use GenServer, restart: :temporary

    def start_link(args), do: GenServer.start_link(__MODULE__, args)

    # Runs in the supervisor's turn: no process begins here once `which_children` was asked for the handover.
    @impl true
    def init({module, name, given}) do
      case {Handover.heirs(), given} do
        {[_ | _], _} -> {:stop, :leaving}
        {[], {:state, state}} -> begin(module, name, state)
        {[], :new} -> begin(module, name, module.init(name))
      end
    end

    defp begin(module, name, state) do
      :ok = :pg.join(Handover.Names, name, self())
      {:ok, {:here, module, name, state}}
    end

    @impl true
    def handle_call({Handover, :give, heirs}, _from, {:here, module, name, state} = here) do
      case Enum.find_value(heirs, &settle(&1, module, name, state)) do
        nil ->
          {:reply, :error, here}

        pid ->
          :pg.leave(Handover.Names, name, self())
          {:reply, :ok, {:there, pid}}
      end
    end

    def handle_call({Handover, :give, _heirs}, _from, there), do: {:reply, :ok, there}

    def handle_call(message, _from, {:here, module, name, state}) do
      {reply, state} = module.handle(message, state)
      {:reply, reply, {:here, module, name, state}}
    end

    # The successor answers whoever asked, as if it had been asked itself.
    def handle_call(message, from, {:there, pid} = there) do
      send(pid, {:"$gen_call", from, message})
      {:noreply, there}
    end

    defp settle(heir, module, name, state) do
      {:ok, pid} = :erpc.call(heir, Handover, :take, [module, name, state], 5_000)
      pid
    rescue
      _ -> nil
    catch
      _, _ -> nil
    end
  end

  def start_link(_), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)

  @impl true
  def init(_) do
    :persistent_term.put(__MODULE__, [])
    # Before it serves: a node that does not know the others yet would start processes that exist.
    if System.get_env("CUDDLE_GOODBYE"), do: await_others(500)
    registry = %{id: :registry, start: {:pg, :start_link, [Handover.Names]}}

    Supervisor.init([registry, {DynamicSupervisor, name: Handover.Processes}],
      strategy: :rest_for_one
    )
  end

  @doc "Asks the process of this name; starts it first where there is none."
  def call(module, name, message, timeout \\ 5_000),
    do: GenServer.call(whereis(module, name), message, timeout)

  @doc "Names and nodes of all processes."
  def all do
    for name <- :pg.which_groups(Handover.Names),
        [pid | _] <- [:pg.get_members(Handover.Names, name)],
        do: {name, node(pid)}
  end

  @doc "Moves all processes of this node to the given ones. How many there were, or which of them nobody took."
  def handover(peers) do
    :persistent_term.put(__MODULE__, peers)

    holders =
      for {_, pid, _, _} <- DynamicSupervisor.which_children(Handover.Processes),
          is_pid(pid),
          do: pid

    give = fn {pid, at} -> GenServer.call(pid, {__MODULE__, :give, turned(peers, at)}, 30_000) end
    options = [max_concurrency: 32, ordered: false, timeout: :infinity]

    answers =
      holders |> Enum.with_index() |> Task.async_stream(give, options) |> Enum.map(&elem(&1, 1))

    case Enum.count(answers, &(&1 != :ok)) do
      0 -> {:ok, length(holders)}
      left -> {:error, {:nobody_took, left, :of, length(holders)}}
    end
  end

  @doc false
  def take(module, name, state),
    do:
      DynamicSupervisor.start_child(Handover.Processes, {Holder, {module, name, {:state, state}}})

  @doc false
  def start(module, name),
    do: DynamicSupervisor.start_child(Handover.Processes, {Holder, {module, name, :new}})

  @doc false
  def heirs, do: :persistent_term.get(__MODULE__, [])

  # The platform says so when this node is connected to all that there are, or is the first.
  defp await_others(0), do: :ok

  defp await_others(tries) do
    if :persistent_term.get({:cuddle, :joined}, false) do
      :global.sync()
    else
      Process.sleep(20)
      await_others(tries - 1)
    end
  end

  defp whereis(module, name) do
    with [] <- :pg.get_members(Handover.Names, name),
         {:error, :leaving} <-
           :global.trans({{__MODULE__, name}, self()}, fn -> start_once(module, name) end) do
      :erpc.call(Enum.random(heirs()), __MODULE__, :find, [module, name])
    else
      [pid | _] -> pid
      {:ok, pid} -> pid
    end
  end

  # Every node is asked what it has: what :pg says of others may be a moment old.
  defp start_once(module, name) do
    answers =
      :erpc.multicall(
        [node() | Node.list()],
        :pg,
        :get_local_members,
        [Handover.Names, name],
        5_000
      )

    case for {:ok, pids} <- answers, pid <- pids, do: pid do
      [pid | _] -> {:ok, pid}
      [] -> start(module, name)
    end
  end

  @doc false
  def find(module, name), do: whereis(module, name)

  defp turned(list, by) do
    {front, back} = Enum.split(list, rem(by, length(list)))
    back ++ front
  end
end
