import { CuddleError } from '#lib'
import type { Command } from '../command.ts'

export default {
  summary: 'Prints a completion for your shell: commands, options, and the apps and processes of the cluster.',
  usage: 'bash|zsh|fish',
  positionals: [1, 1],
  describe:
    'To have it always, put the line of the example into ~/.bashrc, ~/.zshrc (below compinit) or ~/.config/fish/config.fish.',
  examples: ['source <(cuddle completion bash)', 'source <(cuddle completion zsh)', 'cuddle completion fish | source'],
  async run({ out, positionals, verbs }) {
    const { completionTable, shells } = await import('../completion/table.ts')
    const shell = shells.find((name) => name === positionals[0])
    if (!shell)
      throw new CuddleError('usage', `there is no completion for "${positionals[0]}"`, {
        hint: 'cuddle completion bash|zsh|fish',
      })
    const shown = Object.entries(verbs).filter(([, { hidden }]) => !hidden)
    const commands = await Promise.all(
      shown.map(async ([name, { summary, load }]) => [name, { summary, command: (await load()).default }] as const),
    )
    const table = completionTable(Object.fromEntries(commands))
    const make = {
      bash: async () => (await import('../completion/bash.ts')).bashCompletion,
      zsh: async () => (await import('../completion/zsh.ts')).zshCompletion,
      fish: async () => (await import('../completion/fish.ts')).fishCompletion,
    }
    const script = (await make[shell]())(table).trimEnd()
    if (out.json) out.data({ shell, script })
    else out.print(script)
    return 0
  },
} satisfies Command
