import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { CuddleError } from '#lib'
import type { Invocation, Option } from './command.ts'
import type { ClusterConfig } from './home.ts'

/** The options of `cuddle up` that lead to a cluster of others. */
export const clusterOptions: Record<string, Option> = {
  kubeconfig: {
    type: 'string',
    value: 'FILE',
    describe: 'run the platform on this cluster, instead of one of its own',
  },
  context: { type: 'string', value: 'NAME', describe: "its context (default: the file's current one)" },
  registry: {
    type: 'string',
    value: 'HOST:PORT',
    describe: 'where images go, and where that cluster pulls them from; with http:// for one without TLS',
  },
  'registry-auth': {
    type: 'string',
    value: 'FILE',
    describe: 'credentials for the registry, a Docker config.json; kept in the cluster, for pushing and pulling',
  },
  'metrics-host': {
    type: 'string',
    value: 'ADDRESS',
    describe:
      "this machine's address or name at which that API server reaches it: autoscalers there get the BEAM's signals; none ends it",
  },
  embedded: { type: 'boolean', describe: "go back to this machine's own cluster" },
}

/** The cluster that the options name, else the one of last time. @throws CuddleError `usage`, `no-registry` */
export function chooseCluster(
  { values, cwd }: Invocation,
  before: ClusterConfig | undefined,
): ClusterConfig | undefined {
  if (values.embedded) {
    if (values.kubeconfig ?? values.context ?? values.registry ?? values['registry-auth'] ?? values['metrics-host'])
      throw new CuddleError('usage', '--embedded goes with no option of another cluster')
    return undefined
  }
  if (values.kubeconfig === undefined && !before) {
    if (values.context ?? values.registry ?? values['registry-auth'] ?? values['metrics-host'])
      throw new CuddleError(
        'usage',
        '--context, --registry and --metrics-host say more about --kubeconfig FILE, which is missing',
        { hint: 'cuddle up --kubeconfig FILE --registry HOST:PORT' },
      )
    return undefined
  }
  const kubeconfig = values.kubeconfig === undefined ? before!.kubeconfig : resolve(cwd, values.kubeconfig)
  if (!existsSync(kubeconfig)) {
    const hint =
      values.kubeconfig === undefined
        ? "name it anew with --kubeconfig FILE; cuddle up --embedded goes back to this machine's own cluster"
        : 'it takes what kubectl works with, for instance ~/.kube/config'
    throw new CuddleError('kubeconfig', `there is no file ${kubeconfig}`, { hint })
  }
  // What was said of another file does not hold for this one.
  const same = before?.kubeconfig === kubeconfig ? before : undefined
  const context: string | undefined = values.context ?? same?.context
  const registry: string | undefined = values.registry ?? same?.registry
  if (registry === undefined) {
    throw new CuddleError('no-registry', 'images have to go somewhere the cluster can pull from', {
      hint: `cuddle up --kubeconfig ${values.kubeconfig ?? kubeconfig} --registry HOST:PORT`,
    })
  }
  const metricsHost = ownAddress(values['metrics-host']) ?? same?.metricsHost
  return {
    kubeconfig,
    ...(context && { context }),
    registry,
    ...(metricsHost && metricsHost !== none && { metricsHost }),
  }
}

const none = 'none'

const addressesOfThisMachine = () =>
  Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address))

/** As RFC 1123 has it, which is what a Service may name. */
const hostName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

function ownAddress(address: string | undefined): string | undefined {
  if (address === undefined || address === none) return address
  if (isIP(address) === 0 && hostName.test(address)) return address
  if (isIP(address) === 4 && addressesOfThisMachine().includes(address)) return address
  throw noOwnAddress(address)
}

function noOwnAddress(address: string): CuddleError {
  return new CuddleError('usage', `--metrics-host takes an IPv4 address or a name of this machine, not "${address}"`, {
    hint:
      isIP(address) === 6
        ? 'Services cannot name IPv6 addresses: give a name that resolves to it'
        : addressesOfThisMachine().join(', '),
  })
}

/** Whether the API server, asking for this name, can come to this machine. @throws CuddleError `usage` when it is another's, or nobody's */
export async function checkOwnName(host: string): Promise<void> {
  if (isIP(host) !== 0) return
  const { lookup } = await import('node:dns/promises')
  const found = await lookup(host, { all: true }).catch(() => [])
  const ours = addressesOfThisMachine()
  if (!found.some(({ address }) => ours.includes(address))) throw noOwnAddress(host)
}
