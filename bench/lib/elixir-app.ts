import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes an Elixir app of `count` modules of sixteen clauses each, which answers HTTP on $PORT with a version. */
export function writeElixirApp(directory: string, count: number): void {
  mkdirSync(join(directory, 'lib', 'big'), { recursive: true })
  writeFileSync(
    join(directory, 'mix.exs'),
    `defmodule Big.MixProject do
  use Mix.Project
  def project, do: [app: :big, version: "0.1.0", elixir: "~> 1.14", deps: []]
  def application, do: [extra_applications: [:logger], mod: {Big.Application, []}]
end
`,
  )
  writeFileSync(
    join(directory, 'lib', 'big', 'application.ex'),
    `defmodule Big.Application do
  use Application
  def start(_type, _args) do
    Supervisor.start_link([{Task, &Big.Web.listen/0}], strategy: :one_for_one)
  end
end
`,
  )
  writeFileSync(
    join(directory, 'lib', 'big', 'web.ex'),
    `defmodule Big.Web do
  def listen do
    port = String.to_integer(System.get_env("PORT", "4000"))
    {:ok, socket} = :gen_tcp.listen(port, [:binary, packet: :http_bin, active: false, reuseaddr: true, backlog: 1024])
    accept(socket)
  end

  defp accept(socket) do
    {:ok, client} = :gen_tcp.accept(socket)
    pid = spawn(fn -> receive do: (:go -> serve(client)) end)
    :ok = :gen_tcp.controlling_process(client, pid)
    send(pid, :go)
    accept(socket)
  end

  defp serve(client) do
    case :gen_tcp.recv(client, 0) do
      {:ok, :http_eoh} ->
        body = "version #{Big.Version.number()}"
        :gen_tcp.send(client, ["HTTP/1.1 200 OK\\r\\ncontent-length: ", Integer.to_string(byte_size(body)), "\\r\\n\\r\\n", body])
        serve(client)

      {:ok, _} ->
        serve(client)

      {:error, _} ->
        :gen_tcp.close(client)
    end
  end
end
`,
  )
  writeVersion(directory, 0)
  for (let index = 0; index < count; index++) {
    const clauses = Array.from(
      { length: 16 },
      (_, clause) =>
        `  def handle(${clause}, x) when is_integer(x), do: {:ok, ${clause}, x * ${index + clause}, "module ${index}"}`,
    )
    writeFileSync(
      join(directory, 'lib', 'big', `m${index}.ex`),
      `defmodule Big.M${index} do\n${clauses.join('\n')}\nend\n`,
    )
  }
  writeFileSync(join(directory, '.gitignore'), '/_build/\n/deps/\n')
}

/** The one line that changes. */
export function writeVersion(directory: string, version: number): void {
  writeFileSync(
    join(directory, 'lib', 'big', 'version.ex'),
    `defmodule Big.Version do\n  def number, do: ${version}\nend\n`,
  )
}
