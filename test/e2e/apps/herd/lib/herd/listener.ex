defmodule Herd.Listener do
  use GenServer

  def start_link(options), do: GenServer.start_link(__MODULE__, options)

  @impl true
  def init(options) do
    {:ok, address} = options[:host] |> String.to_charlist() |> :inet.parse_address()
    listen = [:binary, ip: address, packet: :http_bin, active: false, reuseaddr: true, backlog: 1024, nodelay: true]
    {:ok, socket} = :gen_tcp.listen(options[:port], listen)
    for _ <- 1..4, do: spawn_link(__MODULE__, :accept, [socket])
    {:ok, socket}
  end

  def accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, pid} = DynamicSupervisor.start_child(Herd.Connections, {Herd.Connection, socket})
    :ok = :gen_tcp.controlling_process(socket, pid)
    GenServer.cast(pid, :go)
    __MODULE__.accept(listener)
  end
end
