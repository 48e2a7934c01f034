defmodule Abacus.WebSocket do
  @moduledoc "The server's end of a websocket (RFC 6455), as much as short texts take."

  @guid "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

  @doc "Answers the handshake, then each text with what `answer` makes of it, until somebody closes."
  def serve(socket, key, answer) do
    accept = Base.encode64(:crypto.hash(:sha, key <> @guid))

    :gen_tcp.send(socket, [
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
      "sec-websocket-accept: #{accept}\r\n\r\n"
    ])

    :inet.setopts(socket, packet: :raw)
    loop(socket, answer)
  end

  defp loop(socket, answer) do
    with {:ok, <<_fin::4, opcode::4, 1::1, size::7>>} <- :gen_tcp.recv(socket, 2),
         {:ok, size} <- long_size(socket, size),
         {:ok, <<mask::binary-4>>} <- :gen_tcp.recv(socket, 4),
         {:ok, masked} <- payload(socket, size) do
      case {opcode, unmask(masked, mask)} do
        {1, text} -> with :ok <- frame(socket, 1, answer.(text)), do: loop(socket, answer)
        {8, reason} -> frame(socket, 8, reason)
        {9, text} -> with :ok <- frame(socket, 10, text), do: loop(socket, answer)
        _ -> loop(socket, answer)
      end
    end
  end

  defp long_size(_socket, size) when size < 126, do: {:ok, size}

  defp long_size(socket, 126),
    do: with({:ok, <<size::16>>} <- :gen_tcp.recv(socket, 2), do: {:ok, size})

  defp long_size(_socket, _), do: {:error, :too_long}

  defp payload(_socket, 0), do: {:ok, ""}
  defp payload(socket, size), do: :gen_tcp.recv(socket, size)

  defp unmask(masked, mask),
    do:
      :crypto.exor(
        masked,
        binary_part(String.duplicate(mask, div(byte_size(masked), 4) + 1), 0, byte_size(masked))
      )

  defp frame(socket, opcode, text) when byte_size(text) < 126 do
    :gen_tcp.send(socket, [<<1::1, 0::3, opcode::4, 0::1, byte_size(text)::7>>, text])
  end
end
