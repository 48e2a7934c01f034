import type { KubeObject, objects } from '#kube'
import { givenByUser } from './config.ts'
import { appLabel, keepAnnotation, metadata } from './names.ts'
import type { CompileInput } from './types.ts'

/** Label of pods that are nodes of the app's BEAM cluster: one-off jobs are not. */
export const beamNodeLabel = 'cuddle.dev/beam-node'

/** The port of Erlang distribution, by name. */
export const distPort = 'dist'

export function clustered(input: CompileInput): boolean {
  return input.runtime === 'beam' && input.spec.beam.cluster
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
 * @param node false for one-off jobs, which stay out of the cluster
 */
export function beamEnv(input: CompileInput, secret: string | undefined, node: boolean): objects.EnvVar[] {
  const env: objects.EnvVar[] = []
  const offer = (name: string, value: string) => {
    if (!givenByUser(input, name)) env.push({ name, value })
  }
  offer('LANG', 'C.UTF-8')
  offer('RELEASE_TMP', '/tmp')
  offer('ERL_CRASH_DUMP', '/tmp/erl_crash.dump')
  const { cluster, port, cookie } = input.spec.beam
  const joins = node && cluster
  offer('ERL_FLAGS', joins ? `${flags} -start_epmd false -erl_epmd_port ${port}` : flags)
  if (!joins) {
    offer('RELEASE_DISTRIBUTION', 'none')
    return env
  }
  const own = cookie === 'auto' ? { name: cookieName(input.app), key: 'cookie' } : { name: secret ?? '', key: cookie }
  env.push(
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'RELEASE_DISTRIBUTION', value: 'name' },
    { name: 'RELEASE_NODE', value: `${input.app}@$(POD_IP)` },
    { name: 'RELEASE_COOKIE', valueFrom: { secretKeyRef: own } },
  )
  offer('DNS_CLUSTER_QUERY', `${nodesName(input.app)}.${input.namespace}.svc.cluster.local`)
  return env
}

// Busy waiting burns a shared core (42 % of one against 18 % for 200 timer processes) and a quota, for microseconds.
const flags = '+sbwt none +sbwtdcpu none +sbwtdio none'

function nodesName(app: string): string {
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
