import { ConfigMap } from '#kube'
import { median } from './report.ts'
import type { Server } from './servers.ts'

let made = 0

/**
 * Milliseconds from sending a create to its event at the last of `count` watchers; the median of `times`, one after the other.
 * The watchers are in this process, and the same for every server.
 */
export async function lastOfWatchers(server: Server, count: number, times: number): Promise<number> {
  const { kube } = server
  const stop = new AbortController()
  const namespace = 'default'
  let seen = 0
  let told = () => {}
  const { metadata } = await kube.list(ConfigMap, { namespace, limit: 1 })
  const ready: Promise<void>[] = []
  for (let index = 0; index < count; index++) {
    const options = { namespace, resourceVersion: metadata.resourceVersion!, signal: stop.signal }
    ready.push(
      new Promise((resolve) => {
        void (async () => {
          for await (const { object } of kube.watch(ConfigMap, options)) {
            const { name } = object['metadata']
            if (name.startsWith('hello-')) resolve()
            else if (name === `watched-${made}` && ++seen === count) told()
          }
        })().catch(() => {})
      }),
    )
  }
  const create = (name: string) =>
    kube.create(ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace },
      data: { value: 'x'.repeat(800) },
    })
  await create(`hello-${made++}`)
  await Promise.all(ready)
  const took: number[] = []
  for (let round = 0; round < times; round++) {
    seen = 0
    made++
    const all = new Promise<void>((resolve) => {
      told = resolve
    })
    const began = performance.now()
    await create(`watched-${made}`)
    await all
    took.push(performance.now() - began)
  }
  stop.abort()
  return median(took)
}
