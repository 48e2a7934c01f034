import type { BeamConsole, ConsoleTerminal } from '#beam'
import type { Context } from '../context.ts'
import type { BeamPod } from './nodes.ts'
import { openNode } from './session.ts'

export interface ConsoleRequest {
  terminal: ConsoleTerminal
  /** Erlang, also where Elixir runs. */
  erlang?: boolean
  colours?: boolean
  seat: number
  signal?: AbortSignal
}

/** A console on one node, and what it runs on. */
export interface OpenConsole {
  shell: BeamConsole
  language: 'elixir' | 'erlang'
  otpRelease: string
  /** Ends the console and the connection. */
  close(): Promise<void>
}

/** Opens an IEx or Erlang shell on a node. @throws as `openNode` and `openConsole` of #beam */
export async function consoleOn(context: Context, pod: BeamPod, request: ConsoleRequest): Promise<OpenConsole> {
  const { terminal, erlang = false, colours = false, seat, signal } = request
  const { openConsole } = await import('#beam')
  const node = await openNode(context, pod, { verb: 'console', seat, ...(signal && { signal }) })
  try {
    const language = !erlang && (await node.hasElixir()) ? 'elixir' : 'erlang'
    const shell = await openConsole(node, { language, terminal, colours })
    const close = async () => {
      await shell.close()
      node.close()
    }
    return { shell, language, otpRelease: node.otpRelease, close }
  } catch (error) {
    node.close()
    throw error
  }
}
