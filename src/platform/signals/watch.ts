import type { BeamNode, Sampler } from '#beam'
import { backoffDelay, type Clock, errorMessage, type Logger } from '#lib'
import { identityOf, type Links } from '../beam/links.ts'
import type { BeamPod } from '../beam/nodes.ts'
import type { Mailbox, Origin, SignalStore } from './store.ts'

export const periodMs = 1_000
/** A node that takes longer for some hundred microseconds of work is not well. */
const answerMs = 3_000
/** Failures in a row before it is told: nodes that boot cannot be reached either. */
const patience = 8
const backoff = { initial: 250, max: 5_000 }
/** Looking at every mailbox costs some 10 µs each: at most this share of a scheduler, and no more often than that. */
const mailboxShare = 1 / 500
const mailboxEveryMs = 10_000
const mailboxesTold = 3
/** Shorter queues are nobody's trouble. */
const longMailbox = 100

export interface WatchOptions {
  app: string
  links: Links
  store: SignalStore
  clock: Clock
  log: Logger
  signal: AbortSignal
}

/**
 * Reads the signals of an app's nodes once a second, each node for itself: one that hangs, floods or goes keeps no other
 * waiting. A reading is one round trip of some 100 µs on the node.
 */
export function watchSignals(options: WatchOptions): { want(pods: readonly BeamPod[]): void } {
  const { app, store, signal } = options
  const watched = new Map<string, { stop: AbortController; pod: BeamPod }>()
  return {
    want(pods) {
      const wanted = new Map(pods.map((pod) => [identityOf(pod), pod]))
      for (const [identity, known] of watched) {
        const pod = wanted.get(identity)
        if (pod) {
          // Its resources may be others now.
          known.pod = pod
          continue
        }
        known.stop.abort()
        watched.delete(identity)
      }
      store.keep(app, new Set(pods.map(({ pod }) => pod)))
      for (const [identity, pod] of wanted) {
        if (watched.has(identity) || signal.aborted) continue
        const known = { stop: new AbortController(), pod }
        watched.set(identity, known)
        void watchNode(() => known.pod, { ...options, signal: AbortSignal.any([signal, known.stop.signal]) })
      }
    },
  }
}

async function watchNode(
  current: () => BeamPod,
  { app, links, store, clock, log, signal }: WatchOptions,
): Promise<void> {
  const pod = current()
  let online: number | undefined
  const origin: Origin = { app, process: pod.process, pod: pod.pod, node: pod.name, otpRelease: '' }
  let open: { node: BeamNode; sampler: Sampler; mailboxesAt: number } | undefined
  for (let failures = 0; !signal.aborted; ) {
    const since = clock.monotonic()
    try {
      const node = await links.get(pod)
      if (open?.node !== node) {
        const { createSampler } = await import('#beam')
        open = { node, sampler: await createSampler(node, { timeoutMs: answerMs }), mailboxesAt: 0 }
        origin.otpRelease = node.otpRelease
      } else {
        const sample = await open.sampler.sample({ signal })
        if (signal.aborted) break
        store.put({ ...origin }, sample, clock.now())
        const wanted = current().schedulers
        online ??= sample.schedulersOnline
        if (wanted !== undefined && wanted !== online) {
          await setSchedulers(node, Math.min(wanted, sample.schedulersTotal), signal)
          log.info({ app, pod: pod.pod, schedulers: wanted }, 'schedulers follow the CPU of the pod')
          online = wanted
        }
        if (clock.monotonic() >= open.mailboxesAt) {
          open.mailboxesAt = Number.POSITIVE_INFINITY
          void lookIntoMailboxes(open)
        }
      }
      if (failures >= patience) log.info({ app, pod: pod.pod }, 'signals are read again')
      failures = 0
    } catch (error) {
      if (signal.aborted) break
      open?.sampler.close()
      open = undefined
      store.fail({ ...origin }, errorMessage(error))
      if (++failures === patience) log.info({ app, pod: pod.pod, error: errorMessage(error) }, 'signals cannot be read')
    }
    const rest = periodMs - (clock.monotonic() - since)
    await clock.sleep(failures > 0 ? backoffDelay(failures, backoff) : Math.max(50, rest), signal)
  }
  open?.sampler.close()

  /** Not waited for, and at low priority on the node. */
  async function lookIntoMailboxes(link: NonNullable<typeof open>): Promise<void> {
    const since = clock.monotonic()
    try {
      const mailboxes = await longestMailboxes(link.node, signal)
      if (!signal.aborted) store.putMailboxes({ ...origin }, mailboxes)
    } catch {
      // What keeps the node from answering is told by the sampler.
    }
    const took = clock.monotonic() - since
    link.mailboxesAt = clock.monotonic() + Math.max(mailboxEveryMs, took / mailboxShare)
  }
}

/** A pod was given other CPU (or an earlier control process had set what this one does not know of). Dirty CPU schedulers follow. */
async function setSchedulers(node: BeamNode, online: number, signal: AbortSignal): Promise<void> {
  const { atom } = await import('#beam')
  const args = [atom('schedulers_online'), online]
  await node.rpc('erlang', 'system_flag', args, { timeoutMs: answerMs, signal, output: 'ignore' })
}

async function longestMailboxes(node: BeamNode, signal: AbortSignal): Promise<Mailbox[]> {
  const { format, topProcesses } = await import('#beam')
  const top = await topProcesses(node, { by: 'message_queue_len', limit: mailboxesTold, maxProcesses: 20_000, signal })
  return top.processes
    .filter(({ messageQueueLength }) => messageQueueLength >= longMailbox)
    .map(({ pid, registeredName, label, initialCall, messageQueueLength }) => ({
      name: registeredName ?? label ?? initialCall,
      pid: format(pid),
      length: messageQueueLength,
    }))
}
