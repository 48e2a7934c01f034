/**
 * Has the Erlang node of a process pod listen for other nodes on its own address alone. With a fixed port and no epmd all
 * nodes of a cluster have the same port, and process pods share the machine's: on 0.0.0.0 only one could have it.
 * Flags that name no distribution port, or an interface already, are left as they are.
 */
export function distributionFlags(flags: string, podIP: string): string {
  if (!/(^|\s)-erl_epmd_port\s/.test(flags) || flags.includes('inet_dist_use_interface')) return flags
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(podIP)) return flags
  return `${flags} -kernel inet_dist_use_interface {${podIP.replaceAll('.', ',')}}`
}
