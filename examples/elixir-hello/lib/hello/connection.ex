defmodule Hello.Connection do
  @moduledoc "HTTP/1.1 on one socket: Erlang's own parser reads the requests, `Hello.call/1` answers them."

  @idle_ms 60_000

  def serve(socket) do
    receive do
      :go -> next_request(socket)
    after
      5_000 -> :gen_tcp.close(socket)
    end
  end

  # Between two requests the connection listens to both the client and the drain.
  defp next_request(socket) do
    :ok = :inet.setopts(socket, packet: :http_bin, active: :once)

    receive do
      {:http, ^socket, {:http_request, method, {:abs_path, target}, _version}} -> respond(socket, method, target)
      {:http, ^socket, _malformed} -> reply(socket, 400, "bad request\n", true)
      {:tcp_closed, ^socket} -> :ok
      {:tcp_error, ^socket, _reason} -> :ok
      :drain -> :gen_tcp.close(socket)
    after
      @idle_ms -> :gen_tcp.close(socket)
    end
  end

  defp respond(socket, method, target) do
    headers = read_headers(socket, %{})
    body = read_body(socket, Map.get(headers, "content-length", "0"))
    uri = URI.parse(target)
    request = %{method: to_string(method), path: uri.path, query: URI.decode_query(uri.query || ""), body: body}
    close? = headers["connection"] == "close" or :persistent_term.get({Hello, :draining}, false)

    case Hello.call(request) do
      {:stream, chunks} -> stream(socket, chunks)
      {status, text} -> reply(socket, status, text, close?)
    end
  end

  defp reply(socket, status, text, close?) do
    connection = if close?, do: "close", else: "keep-alive"

    :gen_tcp.send(socket, [
      "HTTP/1.1 #{status} #{reason(status)}\r\n",
      "content-type: text/plain; charset=utf-8\r\n",
      "content-length: #{byte_size(text)}\r\n",
      "connection: #{connection}\r\n\r\n",
      text
    ])

    if close?, do: :gen_tcp.close(socket), else: next_request(socket)
  end

  defp stream(socket, chunks) do
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    :ok = :gen_tcp.send(socket, head)

    for chunk <- chunks do
      :ok = :gen_tcp.send(socket, [Integer.to_string(byte_size(chunk), 16), "\r\n", chunk, "\r\n"])
    end

    :gen_tcp.send(socket, "0\r\n\r\n")
    :gen_tcp.close(socket)
  end

  defp read_headers(socket, headers) do
    case :gen_tcp.recv(socket, 0, 10_000) do
      {:ok, {:http_header, _, name, _, value}} ->
        read_headers(socket, Map.put(headers, name |> to_string() |> String.downcase(), String.downcase(value)))

      {:ok, :http_eoh} ->
        headers
    end
  end

  defp read_body(_socket, "0"), do: ""

  defp read_body(socket, length) do
    :ok = :inet.setopts(socket, packet: :raw)
    {:ok, body} = :gen_tcp.recv(socket, String.to_integer(length), 10_000)
    body
  end

  defp reason(200), do: "OK"
  defp reason(400), do: "Bad Request"
  defp reason(404), do: "Not Found"
end
