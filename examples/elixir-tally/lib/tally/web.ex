defmodule Tally.Web do
  @moduledoc "HTTP/1.1 with Erlang's own parser: a process per connection, a request per connection."
  use GenServer
  require Logger

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @impl true
  def init(options) do
    {:ok, address} = options[:host] |> String.to_charlist() |> :inet.parse_address()
    listen = [:binary, ip: address, packet: :http_bin, active: false, reuseaddr: true, backlog: 1024]
    {:ok, socket} = :gen_tcp.listen(options[:port], listen)
    Logger.info("tally #{Tally.version()} listens on #{options[:host]}:#{options[:port]} as #{node()}")
    for _ <- 1..4, do: spawn_link(fn -> accept(socket) end)
    {:ok, socket}
  end

  defp accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, pid} = Task.Supervisor.start_child(Tally.Connections, __MODULE__, :serve, [socket])
    with :ok <- :gen_tcp.controlling_process(socket, pid), do: send(pid, :go)
    accept(listener)
  end

  def serve(socket) do
    receive do
      :go -> :ok
    after
      5_000 -> exit(:normal)
    end

    with {:ok, {:http_request, _method, {:abs_path, target}, _version}} <- :gen_tcp.recv(socket, 0, 10_000),
         :ok <- skip_headers(socket) do
      {status, text} = target |> URI.parse() |> Map.fetch!(:path) |> answer()

      :gen_tcp.send(socket, [
        "HTTP/1.1 #{status}\r\ncontent-type: text/plain; charset=utf-8\r\n",
        "content-length: #{byte_size(text)}\r\nconnection: close\r\n\r\n",
        text
      ])
    end

    :gen_tcp.close(socket)
  end

  defp answer("/healthz") do
    if Tally.ready?(), do: {"200 OK", "ok\n"}, else: {"503 Service Unavailable", "waiting for the others\n"}
  end

  defp answer("/count/" <> name) when byte_size(name) in 1..64 do
    {"200 OK", Tally.count(name) <> "\n"}
  end

  defp answer("/") do
    numbers = for {name, value} <- Enum.sort(Tally.all()), do: "  #{name}: #{value}\n"

    {"200 OK",
     "tally #{Tally.version()}\nnode:  #{node()}\nnodes: #{Node.list() |> Enum.sort() |> Enum.join(" ")}\n#{numbers}"}
  end

  defp answer(_path), do: {"404 Not Found", "not found; try /count/apples\n"}

  defp skip_headers(socket) do
    case :gen_tcp.recv(socket, 0, 10_000) do
      {:ok, :http_eoh} -> :ok
      {:ok, {:http_header, _, _, _, _}} -> skip_headers(socket)
      other -> other
    end
  end
end
