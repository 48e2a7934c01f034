import { type Home, newHome } from '../../test/e2e/harness.ts'

/** A running home for a measurement; everything is stopped when `work` ends, however it ends. */
export async function withHome<T>(work: (home: Home) => Promise<T>): Promise<T> {
  const cleanups: (() => Promise<void> | void)[] = []
  const home = await newHome({ after: (fn) => cleanups.push(fn) })
  try {
    const up = await home.up()
    if (up.code !== 0) throw new Error(`cuddle up: ${up.stderr}`)
    return await work(home)
  } finally {
    for (const cleanup of cleanups) await cleanup()
  }
}

/** Runs a step of a measurement; a failure ends the measurement, with its output. */
export async function must(step: Promise<{ code: number; stdout: string; stderr: string }>): Promise<string> {
  const { code, stdout, stderr } = await step
  if (code !== 0) throw new Error(`ended with ${code}:\n${stdout}${stderr}`)
  return stdout + stderr
}
