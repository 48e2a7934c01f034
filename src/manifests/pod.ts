import type { objects } from '#kube'
import type { Command, ProcessSpec, Size } from '#spec'
import { aloneNode, beamNodeLabel, distPort, hot } from './beam.ts'
import { clustered, reachable } from './clustered.ts'
import { argv } from './command.ts'
import type { ConfigNames } from './config.ts'
import { envFrom, processEnv, taskEnv } from './env.ts'
import { labels, pathName } from './names.ts'
import { probes } from './probes.ts'
import { resources } from './resources.ts'
import { containerSecurity, podSecurity } from './security.ts'
import { spread } from './spread.ts'
import { graceSeconds, handoverAnnotation, moduleAtom, preStop } from './stopping.ts'
import { claimName } from './storage.ts'
import type { CompileInput } from './types.ts'
import { mountVmConfig } from './vm-config.ts'

/** `web` speaks HTTP through the router; other processes with a port speak what they like inside the cluster. */
export function portName(process: string): 'http' | 'tcp' {
  return process === 'web' ? 'http' : 'tcp'
}

/** The pod of a process that runs for good. Holds nothing but what this process needs: whatever else changes, it stays. */
export function processPod(
  input: CompileInput,
  config: ConfigNames,
  name: string,
  process: ProcessSpec,
): objects.PodTemplateSpec {
  const { port, storage, health } = process
  const node = reachable(input)
  const container: objects.Container = {
    name,
    image: input.image,
    command: argv(process.command),
  }
  const env = processEnv(input, config, name, process)
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
  const hook = preStop(input, process)
  if (hook) container.lifecycle = { preStop: hook }
  container.securityContext = containerSecurity()
  container.volumeMounts = [{ name: 'tmp', mountPath: '/tmp' }]
  const volumes: objects.Volume[] = [{ name: 'tmp', emptyDir: {} }]
  mountVmConfig(input, container, volumes)
  const paths = Object.keys(storage)
  for (const path of paths) {
    container.volumeMounts.push({ name: pathName(path), mountPath: path })
    volumes.push({ name: pathName(path), persistentVolumeClaim: { claimName: claimName(input.app, name, path) } })
  }
  const podLabels = labels(input.app, name)
  if (node) podLabels[beamNodeLabel] = clustered(input) ? 'true' : aloneNode
  const { handover } = input.spec.beam
  return {
    metadata: {
      labels: podLabels,
      ...(clustered(input) && handover !== undefined
        ? { annotations: { [handoverAnnotation]: moduleAtom(handover) } }
        : {}),
    },
    spec: {
      serviceAccountName: input.app,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: podSecurity(paths.length > 0),
      terminationGracePeriodSeconds: graceSeconds(input, process),
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
  const volumes: objects.Volume[] = [{ name: 'tmp', emptyDir: {} }]
  mountVmConfig(input, container, volumes)
  return {
    metadata: { labels: labels(input.app, name) },
    spec: {
      serviceAccountName: input.app,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      securityContext: podSecurity(false),
      containers: [container],
      volumes,
    },
  }
}
