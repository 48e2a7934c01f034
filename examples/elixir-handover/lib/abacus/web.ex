defmodule Abacus.Web do
  @moduledoc """
  `/add/NAME` adds one, `/` lists all, and on `/socket`, a websocket, each text that comes in is a name to add one to.
  A process per connection, HTTP with Erlang's own parser.
  """
  use GenServer
  require Logger
  alias Abacus.WebSocket

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @impl true
  def init(options) do
    {:ok, address} = options[:host] |> String.to_charlist() |> :inet.parse_address()

    listen = [
      :binary,
      ip: address,
      packet: :http_bin,
      active: false,
      reuseaddr: true,
      backlog: 1024
    ]

    {:ok, socket} = :gen_tcp.listen(options[:port], listen)
    Logger.info("abacus #{Abacus.version()} listens on port #{options[:port]} as #{node()}")
    for _ <- 1..4, do: spawn_link(fn -> accept(socket) end)
    {:ok, socket}
  end

  defp accept(listener) do
    with {:ok, socket} <- :gen_tcp.accept(listener),
         {:ok, pid} <- Task.Supervisor.start_child(Abacus.Connections, fn -> serve(socket) end),
         :ok <- :gen_tcp.controlling_process(socket, pid),
         do: send(pid, :go)

    accept(listener)
  end

  defp serve(socket) do
    receive do
      :go -> :ok
    after
      5_000 -> exit(:normal)
    end

    with {:ok, {:http_request, :GET, {:abs_path, path}, _}} <- :gen_tcp.recv(socket, 0, 10_000),
         {:ok, headers} <- headers(socket, %{}) do
      case {path, headers} do
        {"/socket", %{"sec-websocket-key" => key}} ->
          WebSocket.serve(socket, key, &"#{&1} #{Abacus.add(&1)}")

        {path, _} ->
          reply(socket, answer(path))
      end
    end

    :gen_tcp.close(socket)
  end

  defp headers(socket, found) do
    case :gen_tcp.recv(socket, 0, 10_000) do
      {:ok, {:http_header, _, name, _, value}} ->
        headers(socket, Map.put(found, String.downcase("#{name}"), value))

      {:ok, :http_eoh} ->
        {:ok, found}

      other ->
        other
    end
  end

  defp answer("/healthz"), do: {"200 OK", "ok\n"}

  defp answer("/add/" <> name) when byte_size(name) in 1..64,
    do: {"200 OK", "#{name} #{Abacus.add(name)}\n"}

  defp answer("/") do
    lines = for {name, value, node} <- Abacus.all(), do: "#{name} #{value} #{node}\n"
    {"200 OK", "abacus #{Abacus.version()} on #{node()}\n#{lines}"}
  end

  defp answer(_), do: {"404 Not Found", "not found; try /add/apples\n"}

  defp reply(socket, {status, text}) do
    head =
      "HTTP/1.1 #{status}\r\ncontent-type: text/plain\r\ncontent-length: #{byte_size(text)}\r\nconnection: close\r\n\r\n"

    :gen_tcp.send(socket, [head, text])
  end
end
