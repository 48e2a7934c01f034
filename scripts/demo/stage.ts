import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { isatty } from 'node:tty'
import { styleText } from 'node:util'

/** What the demo says and does: commands are shown as typed, with their output. */
export class Stage {
  readonly #quiet: boolean
  readonly #colour: boolean
  readonly #env: Record<string, string>
  readonly #signal: AbortSignal
  readonly timings: [string, number][] = []
  readonly checks: { name: string; ok: boolean; detail: string }[] = []
  #chapter = 0

  constructor(options: { quiet: boolean; env: Record<string, string>; signal: AbortSignal }) {
    this.#quiet = options.quiet
    this.#colour = isatty(1) && !process.env.NO_COLOR
    this.#env = options.env
    this.#signal = options.signal
  }

  #style(style: 'bold' | 'dim' | 'cyan' | 'green' | 'red', text: string): string {
    return this.#colour ? styleText(style, text) : text
  }

  say(line = ''): void {
    if (!this.#quiet) process.stdout.write(`${line}\n`)
  }

  chapter(title: string): void {
    this.say(`\n${this.#style('bold', `${++this.#chapter}. ${title}`)}`)
  }

  /** Keeps how long something took, in ms. */
  time(name: string, ms: number): void {
    this.timings.push([name, ms])
  }

  /** A promise of the demo: what is not true fails it. */
  check(name: string, ok: boolean, detail = ''): void {
    this.checks.push({ name, ok, detail })
    this.say(
      `   ${ok ? this.#style('green', '✓') : this.#style('red', '✗')} ${name}${detail ? this.#style('dim', `  ${detail}`) : ''}`,
    )
  }

  /** Runs a command as a user would and shows its output. */
  run(
    command: string,
    args: string[],
    options: { cwd: string; shown?: string },
  ): Promise<{ code: number; output: string; ms: number }> {
    this.say(`   ${this.#style('cyan', `$ ${options.shown ?? [command, ...args].join(' ')}`)}`)
    const began = performance.now()
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, { cwd: options.cwd, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] })
      const kill = () => child.kill('SIGTERM')
      this.#signal.addEventListener('abort', kill, { once: true })
      let output = ''
      let rest = ''
      const show = (chunk: Buffer) => {
        output += chunk
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) this.say(`   ${this.#style('dim', '│')} ${line.split('\r').at(-1)!.trimEnd()}`)
      }
      child.stdout.on('data', show)
      child.stderr.on('data', show)
      child.on('error', reject)
      child.on('close', (code) => {
        this.#signal.removeEventListener('abort', kill)
        if (rest.trim()) this.say(`   ${this.#style('dim', '│')} ${rest.trimEnd()}`)
        resolve({ code: code ?? 1, output, ms: performance.now() - began })
      })
    })
  }
}

/**
 * A port that is free now, and stays so unless somebody asks for that very one: it is below those that the system hands out
 * to connections (ip_local_port_range begins at 32768) and to pods (20000).
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 20_000)
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.on('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
