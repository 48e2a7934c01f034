defmodule Abacus do
  @moduledoc "Numbers with names, one process each, that move on when their node stops."
  @behaviour Handover

  @version "v1"

  def version, do: @version

  @doc "Adds one; the new value."
  def add(name), do: Handover.call(__MODULE__, name, :add)

  @doc "All numbers: `{name, value, node}`."
  def all do
    for {name, node} <- Enum.sort(Handover.all()),
        do: {name, Handover.call(__MODULE__, name, :value), node}
  end

  @impl true
  def init(_name), do: 0

  @impl true
  def handle(:add, value), do: {value + 1, value + 1}
  def handle(:value, value), do: {value, value}
end
