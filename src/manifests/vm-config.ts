import type { KubeObject, objects } from '#kube'
import { shortHash } from '#lib'
import { metadata } from './names.ts'
import type { CompileInput } from './types.ts'

/*
 * What the spec says of vm.args and sys.config, beside what the release brings: files of a ConfigMap, named in ERL_ZFLAGS. OTP
 * reads any number of both, and of what is said twice the later counts.
 */

const volume = 'vm-config'
const directory = '/etc/cuddle'

/** The ConfigMap, named by its content like all config; undefined where the spec says nothing. */
export function vmConfig(input: CompileInput): KubeObject | undefined {
  const { vmArgs, sysConfig } = input.spec.beam
  if (input.runtime !== 'beam') return undefined
  const data: Record<string, string> = {
    ...(sysConfig === undefined ? {} : { 'sys.config': sysConfig }),
    ...(vmArgs === undefined ? {} : { 'vm.args': vmArgs }),
  }
  if (Object.keys(data).length === 0) return undefined
  const meta = metadata(input, `${input.app}-vm-${shortHash(JSON.stringify(data))}`)
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: meta, immutable: true, data }
}

/** The flags that name the files. */
export function vmConfigFlags(input: CompileInput): string[] {
  if (!vmConfig(input)) return []
  const { vmArgs, sysConfig } = input.spec.beam
  return [
    ...(vmArgs === undefined ? [] : [`-args_file ${directory}/vm.args`]),
    ...(sysConfig === undefined ? [] : [`-config ${directory}/sys`]),
  ]
}

/** Mounts the files. */
export function mountVmConfig(input: CompileInput, container: objects.Container, volumes: objects.Volume[]): void {
  const configMap = vmConfig(input)
  if (!configMap) return
  ;(container.volumeMounts ??= []).push({ name: volume, mountPath: directory, readOnly: true })
  volumes.push({ name: volume, configMap: { name: configMap.metadata.name! } })
}
