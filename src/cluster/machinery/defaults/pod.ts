/** Sets a field that is absent. */
export function fill(target: any, field: string, value: unknown): void {
  if (target[field] === undefined) target[field] = value
}

/** `Always` for an image without a tag or with `latest`, else `IfNotPresent`; a digest counts as a tag. */
export function pullPolicy(image: string | undefined): string {
  if (!image) return 'IfNotPresent'
  if (image.includes('@')) return 'IfNotPresent'
  const tag = /:([\w][\w.-]{0,127})$/.exec(image.slice(image.lastIndexOf('/') + 1))?.[1]
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent'
}

/** The defaults of a pod template's spec that OpenAPI does not carry (k8s pkg/apis/core/v1/defaults.go). */
export function defaultPodSpec(spec: any): void {
  fill(spec, 'dnsPolicy', 'ClusterFirst')
  fill(spec, 'restartPolicy', 'Always')
  fill(spec, 'securityContext', {})
  fill(spec, 'terminationGracePeriodSeconds', 30)
  fill(spec, 'schedulerName', 'default-scheduler')
  // The deprecated twin is written both ways.
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const container of spec[list] ?? []) defaultContainer(container, spec.hostNetwork === true)
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume)
}

/** What only pods get, not templates. */
export function defaultPod(pod: any): void {
  const spec = pod.spec
  defaultPodSpec(spec)
  fill(spec, 'enableServiceLinks', true)
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const { limits } = container.resources ?? {}
    if (!limits) continue
    container.resources.requests ??= {}
    for (const name in limits) fill(container.resources.requests, name, limits[name])
  }
}

function defaultContainer(container: any, hostNetwork: boolean): void {
  fill(container, 'terminationMessagePath', '/dev/termination-log')
  fill(container, 'terminationMessagePolicy', 'File')
  fill(container, 'imagePullPolicy', pullPolicy(container.image))
  for (const port of container.ports ?? []) if (hostNetwork && !port.hostPort) port.hostPort = port.containerPort
  for (const env of container.env ?? []) if (env.valueFrom?.fieldRef) fill(env.valueFrom.fieldRef, 'apiVersion', 'v1')
  for (const env of container.env ?? [])
    if (env.valueFrom?.resourceFieldRef) fill(env.valueFrom.resourceFieldRef, 'divisor', '0')
  for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe'])
    if (container[kind]) defaultProbe(container[kind])
  for (const hook of Object.values<any>(container.lifecycle ?? {})) defaultHttpGet(hook.httpGet)
}

function defaultProbe(probe: any): void {
  fill(probe, 'timeoutSeconds', 1)
  fill(probe, 'periodSeconds', 10)
  fill(probe, 'successThreshold', 1)
  fill(probe, 'failureThreshold', 3)
  defaultHttpGet(probe.httpGet)
  if (probe.grpc) fill(probe.grpc, 'service', '')
}

function defaultHttpGet(httpGet: any): void {
  if (!httpGet) return
  fill(httpGet, 'path', '/')
  fill(httpGet, 'scheme', 'HTTP')
}

function defaultVolume(volume: any): void {
  if (!Object.keys(volume).some((key) => key !== 'name')) volume.emptyDir = {}
  for (const source of ['secret', 'configMap', 'downwardAPI', 'projected'])
    if (volume[source]) fill(volume[source], 'defaultMode', 420)
  const items = [volume.downwardAPI, ...(volume.projected?.sources ?? []).map((source: any) => source.downwardAPI)]
  for (const downward of items)
    for (const item of downward?.items ?? []) {
      if (item.fieldRef) fill(item.fieldRef, 'apiVersion', 'v1')
      if (item.resourceFieldRef) fill(item.resourceFieldRef, 'divisor', '0')
    }
  for (const source of volume.projected?.sources ?? [])
    if (source.serviceAccountToken) fill(source.serviceAccountToken, 'expirationSeconds', 3600)
  if (volume.hostPath) fill(volume.hostPath, 'type', '')
  if (volume.image) fill(volume.image, 'pullPolicy', pullPolicy(volume.image.reference))
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec
  if (claim) fill(claim, 'volumeMode', 'Filesystem')
  if (volume.azureDisk) fill(volume.azureDisk, 'readOnly', false)
}

/** Guaranteed, Burstable or BestEffort, from cpu and memory of all containers (kubelet/qos). */
export function qosClass(spec: any): string {
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])]
  let any = false
  let guaranteed = true
  for (const { resources = {} } of containers) {
    for (const name of ['cpu', 'memory']) {
      const limit = positive(resources.limits?.[name])
      const request = positive(resources.requests?.[name])
      if (limit !== undefined || request !== undefined) any = true
      if (limit === undefined || (request ?? limit) !== limit) guaranteed = false
    }
  }
  return !any ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable'
}

function positive(quantity: string | undefined): string | undefined {
  return quantity === undefined || quantity === '0' ? undefined : quantity
}
