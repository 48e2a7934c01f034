import type { objects } from '#kube'
import type { Command, ProcessSpec, Size } from '#spec'
import { beamNodeLabel, clustered, distPort, hot } from './beam.ts'
import { argv } from './command.ts'
import type { ConfigNames } from './config.ts'
import { envFrom, processEnv, taskEnv } from './env.ts'
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
  const { port, storage, health } = process
  const node = clustered(input)
  const container: objects.Container = {
    name,
    image: input.image,
    command: argv(process.command),
  }
  const env = processEnv(input, config, name, port)
  if (env.length > 0) container.env = env
  const sources = envFrom(config)
  if (sources) container.envFrom = sources
  if (port !== undefined || node) {
    container.ports = []
    if (port !== undefined) container.ports.push({ name: portName(name), containerPort: port })
    if (node) container.ports.push({ name: distPort, containerPort: input.spec.beam.port })
  }
  container.resources = resources(process.size)
  if (port !== undefined && health) {
    const { startupProbe, readinessProbe, livenessProbe } = probes(health, portName(name))
    container.startupProbe = startupProbe
    container.readinessProbe = readinessProbe
    container.livenessProbe = livenessProbe
  }
  if (port !== undefined) container.lifecycle = { preStop: { sleep: { seconds: leaveTime } } }
  container.securityContext = containerSecurity()
  container.volumeMounts = [{ name: 'tmp', mountPath: '/tmp' }]
  const volumes: objects.Volume[] = [{ name: 'tmp', emptyDir: {} }]
  const paths = Object.keys(storage)
  for (const path of paths) {
    container.volumeMounts.push({ name: pathName(path), mountPath: path })
    volumes.push({ name: pathName(path), persistentVolumeClaim: { claimName: claimName(input.app, name, path) } })
  }
  const podLabels = labels(input.app, name)
  if (node) podLabels[beamNodeLabel] = 'true'
  return {
    metadata: { labels: podLabels },
    spec: {
      serviceAccountName: input.app,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: podSecurity(paths.length > 0),
      terminationGracePeriodSeconds: process.drain + (port === undefined ? 0 : leaveTime),
      topologySpreadConstraints: spread(input.app, name, hot(input, process) ? [] : ['pod-template-hash']),
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
  const container: objects.Container = {
    name,
    image: input.image,
    command: argv(task.command),
  }
  const env = taskEnv(input, config, task.env)
  if (env.length > 0) container.env = env
  const sources = envFrom(config)
  if (sources) container.envFrom = sources
  container.resources = resources(task.size)
  container.securityContext = containerSecurity()
  container.volumeMounts = [{ name: 'tmp', mountPath: '/tmp' }]
  return {
    metadata: { labels: labels(input.app, name) },
    spec: {
      serviceAccountName: input.app,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      securityContext: podSecurity(false),
      containers: [container],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  }
}
