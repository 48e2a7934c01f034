import { stripVTControlCharacters, styleText } from 'node:util'

type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'magenta' | 'blue' | 'dim' | 'bold'

/** Everything a verb prints goes through here: data to standard output, everything else to standard error. */
export class Output {
  readonly json: boolean
  readonly #stdout: NodeJS.WriteStream
  readonly #stderr: NodeJS.WriteStream
  readonly #colour: boolean
  /** The last plain line of busy(). */
  #said = ''
  #spinner: { text: string; frame: number; timer: NodeJS.Timeout } | undefined

  constructor(options: { json: boolean; stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream; colour: boolean }) {
    this.json = options.json
    this.#stdout = options.stdout
    this.#stderr = options.stderr
    this.#colour = options.colour
  }

  /** A person is looking. */
  get interactive(): boolean {
    return Boolean(this.#stderr.isTTY) && this.#colour
  }

  /** Columns of the terminal; 80 where there is none. */
  get columns(): number {
    return this.#stdout.columns || 80
  }

  style(style: Style, text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text
  }

  /** A line of the answer. */
  print(line = ''): void {
    this.#clear()
    this.#stdout.write(`${line}\n`)
    this.#draw()
  }

  /** The answer for scripts: one JSON document, only with --json. */
  data(value: unknown): void {
    if (this.json) this.#stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  }

  /** A word about what goes on; never part of the answer. */
  note(line: string): void {
    this.#clear()
    this.#stderr.write(`${line}\n`)
    this.#draw()
  }

  /** Rows under headings, aligned. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): void {
    for (const line of this.tableLines(headings, rows)) this.print(line)
  }

  /** The same as lines. */
  tableLines(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
    const width = (text: string) => stripVTControlCharacters(text).length
    const widths = headings.map((heading, column) =>
      Math.max(width(heading), ...rows.map((row) => width(row[column] ?? ''))),
    )
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, column) => (column === cells.length - 1 ? cell : cell + ' '.repeat(widths[column] - width(cell))))
        .join('  ')
        .trimEnd()
    return [this.style('dim', line(headings.map((heading) => heading.toUpperCase()))), ...rows.map(line)]
  }

  /** Shows that something is going on: a spinner on a terminal, a plain line elsewhere. */
  busy(text: string): void {
    if (!this.interactive) {
      if (text !== this.#said) this.note(text)
      this.#said = text
      return
    }
    if (this.#spinner) this.#spinner.text = text
    else this.#spinner = { text, frame: 0, timer: setInterval(() => this.#tick(), 80).unref() }
    this.#clear()
    this.#draw()
  }

  /** Ends the spinner. */
  done(): void {
    this.#clear()
    if (this.#spinner) clearInterval(this.#spinner.timer)
    this.#spinner = undefined
  }

  #tick(): void {
    if (!this.#spinner) return
    this.#spinner.frame++
    this.#clear()
    this.#draw()
  }

  #clear(): void {
    if (this.#spinner) this.#stderr.write('\r\x1b[K')
  }

  #draw(): void {
    if (!this.#spinner) return
    const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
    this.#stderr.write(`${this.style('cyan', frames[this.#spinner.frame % frames.length])} ${this.#spinner.text}`)
  }
}
