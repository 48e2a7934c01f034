defmodule Herd.MixProject do
  use Mix.Project

  def project do
    [app: :herd, version: "0.1.0", elixir: "~> 1.14", start_permanent: Mix.env() == :prod]
  end

  def application do
    [mod: {Herd.Application, []}, extra_applications: [:logger, :crypto]]
  end
end
