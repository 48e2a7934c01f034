defmodule Hello.Listener do
  @moduledoc "Accepts connections; each is served by a process of its own, so that one that crashes harms no other."
  use GenServer
  require Logger

  @drain_ms 20_000

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @doc "Takes no more connections, and waits until the open ones have their answer."
  def drain do
    :persistent_term.put({Hello, :draining}, true)
    Supervisor.terminate_child(Hello.Supervisor, __MODULE__)
    connections = Task.Supervisor.children(Hello.Connections)
    Enum.each(connections, &send(&1, :drain))
    references = Enum.map(connections, &Process.monitor/1)
    deadline = System.monotonic_time(:millisecond) + @drain_ms
    Enum.each(references, &await(&1, deadline))
  end

  @impl true
  def init(options) do
    {:ok, address} = options[:host] |> String.to_charlist() |> :inet.parse_address()

    listen = [:binary, ip: address, packet: :http_bin, active: false, reuseaddr: true, nodelay: true, backlog: 1024]

    case :gen_tcp.listen(options[:port], listen) do
      {:ok, socket} ->
        Logger.info("hello #{Hello.version()} listens on #{options[:host]}:#{options[:port]}")
        for _ <- 1..4, do: spawn_link(fn -> accept(socket) end)
        {:ok, socket}

      {:error, reason} ->
        {:stop, "cannot listen on #{options[:host]}:#{options[:port]}: #{:inet.format_error(reason)}"}
    end
  end

  defp accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, pid} = Task.Supervisor.start_child(Hello.Connections, Hello.Connection, :serve, [socket])
    with :ok <- :gen_tcp.controlling_process(socket, pid), do: send(pid, :go)
    accept(listener)
  end

  defp await(reference, deadline) do
    receive do
      {:DOWN, ^reference, _, _, _} -> :ok
    after
      max(0, deadline - System.monotonic_time(:millisecond)) -> :timeout
    end
  end
end
