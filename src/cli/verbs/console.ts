import { join } from 'node:path'
import { CuddleError, readLines } from '#lib'
import { type Completion, type ConsoleTerminal, consoleOn, listNodes } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'
import { addHistory, readHistory } from '../console/history.ts'
import { pipeTerminal } from '../console/pipe.ts'

export default {
  summary: 'Opens an IEx or Erlang shell in a running BEAM node.',
  describe: `The node's own shell, with its helpers, on your terminal: history (per app), line editing, Tab completes, Ctrl-C ends what
is evaluated, Ctrl-D or quit leaves. Leaving ends the shell, never the node; what was started from it goes on. No Erlang
is needed here. In a pipe the lines of standard input are evaluated, and only output and values are printed.
Leaves an Event about the app that says who it was.`,
  options: {
    ...appOption,
    process: { type: 'string', short: 'p', value: 'NAME', describe: 'in a node of this process' },
    pod: { type: 'string', value: 'POD', describe: 'in this pod' },
    erl: { type: 'boolean', describe: 'an Erlang shell, also where Elixir runs' },
  },
  examples: [
    'cuddle console',
    'cuddle console -p worker',
    'cuddle console --erl',
    "echo 'Node.list()' | cuddle console",
  ],
  async run(invocation) {
    const { out, values, signal, home } = invocation
    const context = connect(invocation)
    const app = await appName(invocation)
    const [pod] = await listNodes(context, app, { process: values.process, pod: values.pod })
    const { stdin, stdout } = process
    const interactive = Boolean(stdin.isTTY && stdout.isTTY) && !out.json
    const leave = new AbortController()
    const file = join(home, 'history', `${app}.console`)
    const printed: string[] = []
    let interrupt = () => {}
    let complete = async (_: string): Promise<Completion> => ({ insert: '', choices: [] })
    let terminal: ConsoleTerminal & { close?(): void }
    if (interactive) {
      const { openTerminal } = await import('../console/terminal.ts')
      terminal = openTerminal({
        stdin,
        stdout,
        history: readHistory(file),
        onLine: (line) => addHistory(file, line),
        complete: (before) => complete(before),
        onInterrupt: () => interrupt(),
        onLeave: () => leave.abort(),
      })
    } else {
      const write = (text: string) => {
        if (out.json) printed.push(text)
        else if (!stdout.write(text)) return new Promise<void>((resolve) => stdout.once('drain', resolve))
      }
      terminal = pipeTerminal({ lines: readLines(stdin), write, colours: Boolean(stdout.isTTY) && out.interactive })
    }
    try {
      const request = { terminal, erlang: Boolean(values.erl), colours: interactive && out.interactive }
      const opened = await consoleOn(context, pod, { ...request, seat: process.pid, signal })
      const { shell } = opened
      interrupt = shell.interrupt
      complete = shell.complete
      if (interactive)
        out.note(
          out.style('dim', `${pod.name} (${pod.pod}, OTP ${opened.otpRelease}); Ctrl-C interrupts, Ctrl-D leaves`),
        )
      try {
        await Promise.race([shell.ended, aborted(signal), aborted(leave.signal)])
      } finally {
        await opened.close()
      }
    } finally {
      terminal.close?.()
      if (!interactive) stdin.destroy()
    }
    out.data({ pod: pod.pod, node: pod.name, output: printed.join('') })
    if (signal.aborted) throw new CuddleError('interrupted', 'stopped; the shell was ended')
    return 0
  },
} satisfies Command

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
