import type { Layout, Registry } from '#image'
import type { Clock } from '#lib'

/** Where images go that are run on other machines. They are pushed, and carry everything they need but the kernel. */
export interface Delivery {
  registry: Registry
  /** Before the app's name in a reference to an image: `registry.example.com/team/`. */
  prefix: string
  /** Before the app's name in the registry: `team/`. */
  path: string
}

/** Between two lines of progress, ms. */
const every = 2_000

/** Pushes an image and tells how it goes; returns the reference that nodes pull it by. @throws CuddleError as Registry.push */
export async function deliver(
  { registry, prefix, path }: Delivery,
  layout: Layout,
  app: string,
  digest: string,
  { clock, write, signal }: { clock: Clock; write: (line: string) => void; signal?: AbortSignal },
): Promise<string> {
  let said: number | undefined
  await registry.push(layout, digest, `${path}${app}`, digest.slice(7, 19), {
    signal,
    onProgress({ layers, there, bytes, sent }) {
      const now = clock.monotonic()
      if (said === undefined) {
        const what =
          layers === there
            ? `all ${layers} layers are there already`
            : `pushing ${layers} layers, ${there} there already`
        write(`       ${prefix}${app}: ${what}${layers === there ? '' : `, ${size(bytes)} to send`}`)
      } else if (now - said < every || sent === bytes) return
      else write(`       ${size(sent)} of ${size(bytes)} sent`)
      said = now
    },
  })
  return `${prefix}${app}@${digest}`
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
