import { isNamespaceTerminating } from '#kube'

/**
 * Slow start: `count` calls in parallel batches of 1, 2, 4, 8 …; a batch with a failure is the last. One bad template
 * thus costs one refused request, not a thousand. That the namespace is going is no failure: nothing is missed there.
 */
export async function slowStart(
  count: number,
  call: (index: number) => Promise<void>,
): Promise<{ succeeded: number; error?: unknown }> {
  let succeeded = 0
  for (let from = 0, size = 1; from < count; from += size, size *= 2) {
    const batch = Array.from({ length: Math.min(size, count - from) }, (_, index) => call(from + index))
    const results = await Promise.allSettled(batch)
    const failed = results.find((result) => result.status === 'rejected')
    succeeded += results.filter((result) => result.status === 'fulfilled').length
    if (failed) return { succeeded, ...(!isNamespaceTerminating(failed.reason) && { error: failed.reason }) }
  }
  return { succeeded }
}
