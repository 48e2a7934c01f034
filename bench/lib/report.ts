import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/*
 * How every measurement here is made: contenders run interleaved (A B A B …) in one process or one script, several rounds,
 * and medians are compared. Machines are noisy and differ; a ratio within one run is what carries over.
 */

/** One comparison: ours against one baseline. */
export interface Row {
  what: string
  unit: string
  ours: number
  baseline: string
  theirs: number
  /** `more`: ours ÷ theirs must be at least the goal; `less`: at most. */
  better: 'more' | 'less'
  /** Undefined: printed for the reader, not judged. */
  goal?: number
}

export interface Skipped {
  baseline: string
  reason: string
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Value below which the share `p` (0..1) of the values lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]
}

/** Runs every contender once a round, in turn, and returns the median of each. The first round only warms up. */
export async function interleaved<K extends string>(
  contenders: Record<K, () => number | Promise<number>>,
  rounds = 5,
): Promise<Record<K, number>> {
  const results = {} as Record<K, number[]>
  const names = Object.keys(contenders) as K[]
  for (const name of names) results[name] = []
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const value = await contenders[name]()
      if (round > 0) results[name].push(value)
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(results[name])])) as Record<K, number>
}

/**
 * A folder with npm packages that are baselines only: under .cache, outside the lock. Returns the folder, or why it could
 * not be installed.
 */
export function npmBaseline(name: string, packages: readonly string[]): { dir: string } | Skipped {
  const dir = join(import.meta.dirname, '../../.cache/bench', name)
  const missing = packages.filter((spec) => !existsSync(join(dir, 'node_modules', spec.replace(/(?<=.)@[^@/]*$/, ''))))
  if (missing.length > 0) {
    try {
      mkdirSync(dir, { recursive: true })
      if (!existsSync(join(dir, 'package.json'))) writeFileSync(join(dir, 'package.json'), '{ "private": true }\n')
      const flags = ['--no-audit', '--no-fund', '--loglevel=error']
      execFileSync('npm', ['install', ...flags, ...packages], { cwd: dir, stdio: 'pipe', timeout: 180_000 })
    } catch (error) {
      const output = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n')[0]
      return { baseline: packages.join(' '), reason: `npm install failed: ${output || (error as Error).message}` }
    }
  }
  return { dir }
}

/** Why a program of the machine cannot be a baseline, or undefined when it can. */
export function missingProgram(program: string, hint: string): Skipped | undefined {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'pipe' })
    return undefined
  } catch {
    return { baseline: program, reason: `not on PATH; ${hint}` }
  }
}

/** Prints the table, what was skipped and why, and with `--json` one last line for programs. */
export function report(
  name: string,
  rows: readonly Row[],
  options: {
    skipped?: readonly Skipped[]
    notes?: readonly string[]
    json?: boolean
    extra?: Record<string, unknown>
  } = {},
): void {
  const { skipped = [], notes = [], json = process.argv.includes('--json'), extra } = options
  const judged = rows.map((row) => {
    const ratio = row.ours / row.theirs
    const met = row.goal === undefined ? undefined : row.better === 'more' ? ratio >= row.goal : ratio <= row.goal
    return { ...row, ratio, ...(met === undefined ? {} : { met }) }
  })
  const table = [
    ['', 'ours', 'baseline', '', 'ratio', 'goal', ''],
    ...judged.map(({ what, unit, ours, baseline, theirs, ratio, better, goal, met }) => [
      what,
      `${figure(ours)} ${unit}`,
      `${figure(theirs)} ${unit}`,
      baseline,
      `${figure(ratio)}x`,
      goal === undefined ? '' : `${better === 'more' ? '≥' : '≤'} ${goal}`,
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ]),
  ]
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)))
  console.log(`bench ${name}`)
  for (const line of table)
    console.log(`  ${line.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd())
  for (const note of notes) console.log(`  ${note}`)
  for (const { baseline, reason } of skipped) console.log(`  skipped ${baseline}: ${reason}`)
  if (json) console.log(JSON.stringify({ bench: name, rows: judged, skipped, ...extra }))
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toPrecision(3)
}
