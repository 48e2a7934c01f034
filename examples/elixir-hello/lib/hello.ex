defmodule Hello do
  @moduledoc "What the app says. Change @version, commit, push."

  @version "v1"

  def version, do: @version

  @doc "Answers a request: `{status, text}`, or `{:stream, chunks}`."
  def call(%{path: "/"}) do
    {200, "Hello from #{@version}, pid #{System.pid()} on #{System.get_env("HOSTNAME", "this machine")}\n"}
  end

  def call(%{path: "/healthz"}), do: {200, "ok\n"}

  def call(%{path: "/echo", body: body}), do: {200, body}

  # A request that crashes takes down its own connection and nothing else.
  def call(%{path: "/crash"}), do: raise("somebody asked for it")

  # The whole node goes: Kubernetes starts the pod again.
  def call(%{path: "/halt"}), do: System.halt(1)

  # One line per step, for as long as you like: what a rollout must not cut off.
  def call(%{path: "/slow", query: query}) do
    steps = query |> Map.get("steps", "5") |> String.to_integer()

    {:stream,
     Stream.map(1..steps, fn step ->
       Process.sleep(1_000)
       "#{@version}: step #{step} of #{steps}\n"
     end)}
  end

  def call(_request), do: {404, "not found\n"}
end
