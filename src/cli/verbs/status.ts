import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Node } from '#kube'
import { listApps } from '#platform'
import type { Command } from '../command.ts'
import { connect, isUnreachable } from '../connect.ts'
import { livePid, paths, readConfig } from '../home.ts'

export default {
  summary: 'Shows what runs on this machine and where it answers.',
  describe: 'Ends with 0 when everything is up, with 3 when it is not.',
  examples: ['cuddle status', 'cuddle status --json'],
  async run(invocation) {
    const { out, home } = invocation
    const config = readConfig(home)
    const processes = ['supervisor', 'control', 'node'].map((name) => {
      const pid = livePid(join(paths(home).run, `${name}.pid`), home)
      return { name, pid, memoryMiB: pid === undefined ? undefined : residentMiB(pid) }
    })
    const up = processes.every((process) => process.pid !== undefined)
    let nodes: { name: string; ready: boolean }[] = []
    let apps = 0
    if (up) {
      try {
        const context = connect(invocation)
        const { items } = await context.kube.listAll(Node)
        nodes = items.map((node) => ({
          name: node.metadata.name!,
          ready:
            node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ??
            false,
        }))
        apps = (await listApps(context)).length
      } catch (error) {
        if (!isUnreachable(error)) throw error
      }
    }
    const cluster = config?.cluster
    if (out.json) out.data({ up, home, ports: config?.ports, cluster, processes, nodes, apps })
    else {
      out.print(
        `${(cluster ? 'platform' : 'cluster').padEnd(11)}${up ? out.style('green', 'up') : out.style('yellow', processes.some((process) => process.pid) ? 'starting or failing' : 'down')} (${home})`,
      )
      for (const { name, pid, memoryMiB } of processes)
        out.print(
          `${(cluster && name === 'node' ? 'router' : name).padEnd(11)}${pid === undefined ? 'not running' : `pid ${pid}, ${memoryMiB} MiB`}`,
        )
      if (up && config) {
        out.print(`nodes      ${nodes.map((node) => `${node.name}${node.ready ? '' : ' (not ready)'}`).join(', ')}`)
        out.print(`apps       ${apps}, at http://APP.localhost:${config.ports.router}`)
        if (cluster) {
          const context = cluster.context ? `, context ${cluster.context}` : ''
          out.print(`cluster    KUBECONFIG=${cluster.kubeconfig}${context}`)
          out.print(`images     ${cluster.registry}`)
        } else out.print(`api        https://127.0.0.1:${config.ports.api}, KUBECONFIG=${paths(home).kubeconfig}`)
        out.print(`git        http://127.0.0.1:${config.ports.git}`)
      } else if (!up) out.print(`next       ${out.style('cyan', 'cuddle up')}`)
    }
    return up ? 0 : 3
  },
} satisfies Command

function residentMiB(pid: number): number | undefined {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    return Math.round((pages * 4096) / 2 ** 20)
  } catch {
    return undefined
  }
}
