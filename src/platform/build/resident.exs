# The resident compiler: a BEAM with Mix and one project loaded, told over file descriptors 3 (requests) and 4 (replies),
# each a 32-bit length and text. It ends when descriptor 3 closes, so it never outlives its starter.

defmodule Cuddle.Resident do
  def run do
    port = Port.open({:fd, 3, 4}, [:binary, {:packet, 4}, :eof])
    Process.flag(:trap_exit, true)
    load()
    {:ok, project} = describe()
    reply(port, "ready\n" <> project)
    serve(port)
  end

  defp serve(port) do
    receive do
      {^port, {:data, request}} ->
        reply(port, handle(String.split(request, "\n")))
        serve(port)

      {^port, :eof} ->
        System.halt(0)

      {:EXIT, ^port, _} ->
        System.halt(0)

      _ ->
        serve(port)
    end
  end

  # The marks tell the reader of both streams that all output of this request came before them.
  defp reply(port, text) do
    for device <- [:stdio, :stderr], do: IO.puts(device, "\0cuddle")
    Port.command(port, text)
  end

  defp handle([verb | arguments]) do
    perform(verb, arguments)
  catch
    kind, reason -> "error\n" <> Exception.format(kind, reason, __STACKTRACE__)
  end

  # One file keeps one scheduler busy, and others would only take CPUs from what serves: those are for what takes longer.
  defp perform("compile", []) do
    :erlang.system_flag(:schedulers_online, 1)

    {:ok, all} =
      :timer.apply_after(100, :erlang, :system_flag, [
        :schedulers_online,
        :erlang.system_info(:schedulers)
      ])

    result = compile()
    :timer.cancel(all)
    if match?({:error, _}, result), do: "error\ncompile failed", else: "ok"
  end

  # Strips and copies some modules as `mix release` copies all: from a folder that holds only these.
  defp perform("copy", [source, target]) do
    Mix.Release.copy_ebin(:persistent_term.get(:release), source, target)
    "ok"
  end

  defp perform("release", [path]) do
    Mix.Task.rerun("release", ["--no-compile", "--overwrite", "--quiet", "--path", path])
    "ok"
  end

  defp load do
    Mix.start()
    Mix.env(:prod)
    Code.compile_file("mix.exs")
    Mix.Task.run("loadconfig", [])
    Mix.Task.run("loadpaths", [])
    compile()
    # The compiler's own modules are loaded by using them once, before anyone waits.
    Code.compile_string("defmodule Cuddle.Warm do\n  defstruct [:a]\n  def a(x), do: \"\#{inspect(x)}\"\nend", "warm")
    :code.purge(Cuddle.Warm)
    :code.delete(Cuddle.Warm)
    Code.ensure_loaded(Mix.Release)
    Code.ensure_loaded(:beam_lib)
  end

  # A Mix task runs once per VM unless it is enabled again; and code that compiles must see plain protocols, not those
  # consolidated by the build before.
  defp compile do
    config = Mix.Project.config()
    compilers = config[:compilers] || Mix.compilers()

    for task <- ["compile", "compile.all", "compile.protocols" | Enum.map(compilers, &"compile.#{&1}")] do
      Mix.Task.reenable(task)
    end

    consolidated = Mix.Project.consolidation_path(config)
    :code.del_path(String.to_charlist(consolidated))
    forget_protocols(consolidated)
    result = Mix.Task.run("compile", ["--return-errors"])
    forget_protocols(consolidated)
    result
  end

  # Only where it is the consolidated one that is loaded: each takes a look into every process.
  defp forget_protocols(path) do
    with {:ok, beams} <- File.ls(path) do
      for beam <- beams,
          module = beam |> Path.rootname() |> String.to_atom(),
          {:file, file} <- [:code.is_loaded(module)],
          is_list(file) and String.starts_with?(to_string(file), path) do
        :code.purge(module)
        :code.delete(module)
      end
    end
  end

  # What the starter must know to judge whether a change may be built here.
  defp describe do
    config = Mix.Project.config()
    release = Mix.Release.from_config!(nil, config, [])
    # What it is read from belongs to the cold build when it changes.
    :persistent_term.put(:release, release)
    standard = (config[:compilers] || Mix.compilers()) == Mix.compilers()
    steps = Enum.all?(release.steps, &is_atom/1)

    lines = [
      "umbrella=#{Mix.Project.umbrella?(config)}",
      "standard=#{standard and steps}",
      "app=#{config[:app]}",
      "version=#{Keyword.fetch!(Map.fetch!(release.applications, config[:app]), :vsn)}",
      "release_version=#{release.version}",
      "ebin=#{Path.join(Mix.Project.app_path(config), "ebin")}",
      "consolidated=#{Mix.Project.consolidation_path(config)}"
      | for(dep <- Mix.Dep.cached(), do: "dep=#{Path.relative_to(dep.opts[:dest], File.cwd!())}")
    ]

    {:ok, Enum.join(lines, "\n")}
  end
end

Cuddle.Resident.run()
