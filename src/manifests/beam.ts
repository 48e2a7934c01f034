import type { KubeObject, objects } from '#kube'
import { parseQuantity } from '#lib'
import type { ProcessSpec } from '#spec'
import { clustered, reachable } from './clustered.ts'
import { add, offer } from './config.ts'
import { appLabel, keepAnnotation, metadata } from './names.ts'
import { goodbyeEnv, shutdownMs } from './stopping.ts'
import type { CompileInput } from './types.ts'
import { vmConfigFlags } from './vm-config.ts'

/** Label of pods that are nodes of the BEAM which can be reached: one-off jobs are not. */
export const beamNodeLabel = 'cuddle.dev/beam-node'
/** Its value for nodes that the platform reads, and that know no others; `true` for those of a cluster. */
export const aloneNode = 'alone'

/** The port of Erlang distribution, by name. */
export const distPort = 'dist'

/** Whether new code is loaded into the running pods of a process. */
export function hot(input: CompileInput, process: ProcessSpec): boolean {
  return process.strategy === 'hot' && input.runtime === 'beam'
}

/** The Secret with the app's cookie, made once by the platform and kept over all releases. */
export function cookieName(app: string): string {
  return `${app}-cookie`
}

/**
 * What a release needs to run in a read-only container, and to be a node of the app's cluster when the spec asks for it.
 * Cookie and name are injected because a release brings a random cookie of its own build, and nodes need long names with
 * an address that the others can reach.
 *
 * @param process undefined for one-off jobs, which stay out of the cluster and stop as they like
 */
export function beamEnv(
  env: objects.EnvVar[],
  input: CompileInput,
  secret: string | undefined,
  process: ProcessSpec | undefined,
): void {
  offer(env, input, 'LANG', 'C.UTF-8')
  offer(env, input, 'RELEASE_TMP', '/tmp')
  offer(env, input, 'ERL_CRASH_DUMP', '/tmp/erl_crash.dump')
  offer(env, input, 'ERL_FLAGS', [...(process ? schedulerFlags(process.size.cpu) : []), ...waitFlags].join(' '))
  // Boots in half the time and memory of embedded mode; the image is immutable, so what is loaded later is what was built.
  offer(env, input, 'RELEASE_MODE', 'interactive')
  const { port, cookie } = input.spec.beam
  // Not in ERL_FLAGS, which is the developer's to set.
  const ownFlags = [...vmConfigFlags(input), ...(process ? [`-shutdown_time ${shutdownMs(input, process)}`] : [])]
  if (!process || !reachable(input)) {
    add(env, input, 'ERL_ZFLAGS', ownFlags)
    offer(env, input, 'RELEASE_DISTRIBUTION', 'none')
    return
  }
  // One fixed port without epmd: decision 12 of the design.
  ownFlags.push(`-start_epmd false -erl_epmd_port ${port}`)
  const source =
    cookie === 'auto' ? { name: cookieName(input.app), key: 'cookie' } : { name: secret ?? '', key: cookie }
  add(env, input, 'ERL_ZFLAGS', ownFlags)
  env.push(
    ...(clustered(input) ? [goodbyeEnv()] : []),
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'RELEASE_DISTRIBUTION', value: 'name' },
    { name: 'RELEASE_NODE', value: `${input.app}@$(POD_IP)` },
    { name: 'RELEASE_COOKIE', valueFrom: { secretKeyRef: source } },
  )
  // Where the start script of a rebar3 release writes vm.args.src with name and cookie filled in; its own place is read-only.
  offer(env, input, 'RELX_OUT_FILE_PATH', '/tmp')
  if (clustered(input))
    offer(env, input, 'DNS_CLUSTER_QUERY', `${nodesName(input.app)}.${input.namespace}.svc.cluster.local`)
}

// Busy waiting burns a shared core (42 % of one against 18 % for 200 timer processes) and a quota, for microseconds.
const waitFlags = ['+sbwt none', '+sbwtdcpu none', '+sbwtdio none']

/**
 * How many schedulers a node works with on so much CPU, and how many it can be given later without a restart. The VM does not look
 * at requests, and at quotas only in some releases; left alone it takes a scheduler for every core of the machine. Two at
 * least, so that one long native function does not stop everything. An idle scheduler costs some 0.6 MB.
 *
 * @param cpu a quantity
 */
export function schedulers(cpu: string | number): { online: number; most: number } {
  const online = Math.max(2, Math.ceil(parseQuantity(cpu) ?? 0))
  return { online, most: Math.max(8, 4 * online) }
}

function schedulerFlags(cpu: string): string[] {
  const { online, most } = schedulers(cpu)
  return [`+S ${most}:${online}`, `+SDcpu ${most}:${online}`]
}

export function nodesName(app: string): string {
  return `${app}-nodes`
}

/** The headless Service by which nodes find each other: also before they are ready, and while they drain. */
export function beamService(input: CompileInput): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(input, nodesName(input.app)),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { [appLabel]: input.app, [beamNodeLabel]: 'true' },
      ports: [{ name: distPort, port: input.spec.beam.port, targetPort: distPort }],
    },
  }
}

/** The Secret with the cookie. The platform makes the value once and applies this; it is not part of any release. */
export function cookieSecret(input: CompileInput, cookie: string): KubeObject {
  const meta = metadata(input, cookieName(input.app))
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...meta, annotations: { [keepAnnotation]: 'true' } },
    type: 'Opaque',
    data: { cookie: Buffer.from(cookie).toString('base64') },
  }
}
