import type { objects } from '#kube'
import type { Command, ProcessSpec, Size } from '#spec'
import { beamEnv, beamNodeLabel, clustered, distPort } from './beam.ts'
import { argv } from './command.ts'
import { type ConfigNames, givenByUser } from './config.ts'
import { host } from './ingress.ts'
import { labels, pathName } from './names.ts'
import { probes } from './probes.ts'
import { resources } from './resources.ts'
import { containerSecurity, podSecurity } from './security.ts'
import { spread } from './spread.ts'
import { claimName } from './storage.ts'
import type { CompileInput } from './types.ts'

/** `web` speaks HTTP through the router; other processes with a port speak what they like inside the cluster. */
export function portName(process: string): 'http' | 'tcp' {
  return process === 'web' ? 'http' : 'tcp'
}

/**
 * Seconds that a pod goes on serving after it was told to stop, before its process hears of it: the time in which routers
 * and proxies learn that it is leaving. Endpoint removal and SIGTERM are not ordered in Kubernetes.
 */
const leaveTime = 2

/** The pod of a process that runs for good. Holds nothing but what this process needs: whatever else changes, it stays. */
export function processPod(
  input: CompileInput,
  config: ConfigNames,
  name: string,
  process: ProcessSpec,
): objects.PodTemplateSpec {
  const { port, storage } = process
  const paths = Object.keys(storage)
  const container: objects.Container = {
    name,
    image: input.image,
    command: argv(process.command),
    env: [...(port === undefined ? [] : [{ name: 'PORT', value: String(port) }]), ...runtimeEnv(input, config, name)],
    ...envFrom(config),
  }
  const node = clustered(input)
  if (port !== undefined || node) {
    container.ports = []
    if (port !== undefined) container.ports.push({ name: portName(name), containerPort: port })
    if (node) container.ports.push({ name: distPort, containerPort: input.spec.beam.port })
  }
  container.resources = resources(process.size)
  if (port !== undefined && process.health) Object.assign(container, probes(process.health, portName(name)))
  if (port !== undefined) container.lifecycle = { preStop: { sleep: { seconds: leaveTime } } }
  container.securityContext = containerSecurity()
  container.volumeMounts = [{ name: 'tmp', mountPath: '/tmp' }]
  for (const path of paths) container.volumeMounts.push({ name: pathName(path), mountPath: path })

  const volumes: objects.Volume[] = [{ name: 'tmp', emptyDir: {} }]
  for (const path of paths) {
    volumes.push({ name: pathName(path), persistentVolumeClaim: { claimName: claimName(input.app, name, path) } })
  }
  const podLabels = labels(input.app, name)
  if (node) podLabels[beamNodeLabel] = 'true'
  return {
    metadata: { labels: podLabels },
    spec: {
      ...identity(input),
      securityContext: podSecurity(paths.length > 0),
      terminationGracePeriodSeconds: process.drain + (port === undefined ? 0 : leaveTime),
      topologySpreadConstraints: spread(input.app, name),
      containers: [container],
      volumes,
    },
  }
}

/** The pod of something that runs to its end: release phase, cron, one-off command. */
export function taskPod(
  input: CompileInput,
  config: ConfigNames,
  name: string,
  task: { command: Command; size: Size; env?: Record<string, string> },
): objects.PodTemplateSpec {
  const own = Object.entries(task.env ?? {})
  return {
    metadata: { labels: labels(input.app, name) },
    spec: {
      ...identity(input),
      restartPolicy: 'Never',
      securityContext: podSecurity(false),
      containers: [
        {
          name,
          image: input.image,
          command: argv(task.command),
          env: [
            ...runtimeEnv(input, config, undefined).filter(({ name: key }) => !own.some(([other]) => other === key)),
            ...own.map(([key, value]) => ({ name: key, value: escapeReferences(value) })),
          ],
          ...envFrom(config),
          resources: resources(task.size),
          securityContext: containerSecurity(),
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  }
}

function identity(input: CompileInput) {
  return { serviceAccountName: input.app, automountServiceAccountToken: false, enableServiceLinks: false }
}

function envFrom(config: ConfigNames): { envFrom?: objects.EnvFromSource[] } {
  // Of two sources of one name the later wins: config vars come after the spec's plain values.
  const sources: objects.EnvFromSource[] = []
  if (config.plain !== undefined) sources.push({ configMapRef: { name: config.plain } })
  if (config.secret !== undefined) sources.push({ secretRef: { name: config.secret } })
  return sources.length > 0 ? { envFrom: sources } : {}
}

/** @param process undefined for what runs to its end */
function runtimeEnv(input: CompileInput, config: ConfigNames, process: string | undefined): objects.EnvVar[] {
  const env: objects.EnvVar[] = []
  const offer = (name: string, value: string) => {
    if (!givenByUser(input, name)) env.push({ name, value })
  }
  offer('HOME', '/tmp')
  if (input.runtime === 'node') offer('NODE_ENV', 'production')
  if (input.runtime === 'beam') {
    if (process === 'web') {
      // What Phoenix' generated runtime.exs asks for before it serves.
      offer('PHX_SERVER', 'true')
      offer('PHX_HOST', input.spec.domains.find((domain) => !domain.startsWith('*')) ?? host(input))
    }
    env.push(...beamEnv(input, config.secret, process !== undefined))
  }
  return env
}

/** `$(NAME)` in a value would be expanded by the kubelet; doubled it is what was written. */
function escapeReferences(value: string): string {
  return value.replaceAll('$(', () => '$$(')
}
