defmodule Herd.Connection do
  @moduledoc "HTTP/1.1 with keep-alive, and websockets whose messages are counted: a process per connection, driven by messages."
  use GenServer, restart: :temporary

  def start_link(socket), do: GenServer.start_link(__MODULE__, socket)

  @impl true
  def init(socket), do: {:ok, %{socket: socket, path: "", headers: %{}, web: nil, buffer: "", count: 0}}

  @impl true
  def handle_cast(:go, state) do
    :inet.setopts(state.socket, active: :once)
    {:noreply, state}
  end

  @impl true
  def handle_info({:http, socket, {:http_request, _, {:abs_path, path}, _}}, state) do
    :inet.setopts(socket, active: :once)
    {:noreply, %{state | path: path, headers: %{}}}
  end

  def handle_info({:http, socket, {:http_header, _, name, _, value}}, state) do
    :inet.setopts(socket, active: :once)
    {:noreply, %{state | headers: Map.put(state.headers, name |> to_string() |> String.downcase(), value)}}
  end

  def handle_info({:http, socket, :http_eoh}, %{headers: %{"sec-websocket-key" => key}} = state) do
    accept = Base.encode64(:crypto.hash(:sha, key <> "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
    head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    :gen_tcp.send(socket, [head, "sec-websocket-accept: ", accept, "\r\n\r\n"])
    :inet.setopts(socket, packet: :raw, active: :once)
    {:noreply, %{state | web: true}}
  end

  def handle_info({:http, socket, :http_eoh}, state) do
    body = answer(state.path)
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: #{byte_size(body)}\r\n\r\n"
    :gen_tcp.send(socket, [head, body])
    :inet.setopts(socket, active: :once)
    {:noreply, state}
  end

  def handle_info({:tcp, socket, bytes}, state) do
    state = frames(%{state | buffer: state.buffer <> bytes})
    :inet.setopts(socket, active: :once)
    {:noreply, state}
  end

  def handle_info(_closed_or_wrong, state), do: {:stop, :normal, state}

  # One short masked text frame is answered by its number and text.
  defp frames(%{buffer: <<_fin::4, 1::4, 1::1, length::7, key::binary-4, rest::binary>>} = state)
       when length < 126 and byte_size(rest) >= length do
    <<masked::binary-size(length), rest::binary>> = rest
    text = :crypto.exor(masked, binary_part(:binary.copy(key, 32), 0, length))
    reply = "#{state.count + 1} #{text} #{node()}"
    :gen_tcp.send(state.socket, <<0x81, byte_size(reply), reply::binary>>)
    frames(%{state | buffer: rest, count: state.count + 1})
  end

  defp frames(state), do: state

  defp answer("/healthz"), do: "ok\n"
  defp answer("/version"), do: Herd.Cell.version() <> "\n"
  defp answer("/sum"), do: "#{Herd.Cell.sum()} on #{node()}\n"
  defp answer("/add/" <> id), do: "#{Herd.Cell.add(String.to_integer(id))} #{Herd.Cell.version()}\n"
  defp answer(_), do: "herd #{Herd.Cell.version()}\n"
end
