/**
 * Polls until `probe` returns something truthy (or stops throwing), and returns it. Fails after `timeoutMs` with the
 * last error or the last value: tests wait for the state of the world, never for a fixed time.
 */
export async function until<T>(
  probe: () => T | Promise<T>,
  { timeoutMs = 30_000, intervalMs = 15, what = 'condition' } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}; last: ${String(last)}`, { cause: last })
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs))
  }
}
