import assert from 'node:assert/strict'
import { type BeamNode, connect, listOf, textOf } from '#beam'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { freePort } from '../../scripts/demo/stage.ts'
import { commitEdit, type Home, newHome } from './harness.ts'

export const app = 'counter'

/** Why these tests cannot run here; false when they can. */
export const skip =
  (await exec('sh', ['-c', 'command -v mix'], { env: { PATH: process.env.PATH } })).code !== 0 && 'needs elixir'

/** A cluster of examples/elixir-counter on a home of its own, seen with the cookie that is in its Secret. */
export interface Cluster {
  home: Home
  repository: string
  port: number
  /** What the Secret has at a key now. */
  secret(key: string): Promise<string>
  /** A connection of the test's own to the node at an address. */
  node(address: string, cookie?: string): Promise<BeamNode>
  /** Addresses of the pods that run and are ready. */
  running(): Promise<string[]>
  /** Waits until there are so many nodes, each of which says that it knows all others. */
  meshed(count: number): Promise<unknown>
}

export async function startCluster(t: Parameters<typeof newHome>[0]): Promise<Cluster> {
  const home = await newHome(t)
  assert.equal((await home.up()).code, 0)
  const repository = await home.app(app, 'elixir-counter')
  // Pods of all homes on a machine may have the same addresses.
  const port = await freePort()
  await commitEdit(home, repository, 'cuddle.yaml', 'cluster: true', `cluster: true, port: ${port}`)
  const pushed = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(pushed.code, 0, pushed.stderr)

  const secret = async (key: string) => {
    const found = await home.kubectl('-n', app, 'get', 'secret', `${app}-cookie`, '-o', `jsonpath={.data.${key}}`)
    return Buffer.from(found.stdout, 'base64').toString()
  }
  const node = async (address: string, cookie?: string) =>
    connect({
      name: `${app}@${address}`,
      port,
      cookie: cookie ?? (await secret('cookie')),
      ourName: 'rem-test@127.0.0.1',
    })
  const running = async () => {
    const pods = await home.json(['ps', '-a', app])
    return pods.filter((pod: any) => pod.ready && pod.state === 'Running').map((pod: any) => pod.address)
  }
  const knownTo = async (address: string, cookie: string) => {
    const connection = await node(address, cookie)
    try {
      return (listOf(await connection.rpc('erlang', 'nodes', [])) ?? []).map((name) => textOf(name)!).sort()
    } finally {
      connection.close()
    }
  }
  const meshed = (count: number) =>
    until(
      async () => {
        const addresses: string[] = await running()
        if (addresses.length !== count) return false
        const names = addresses.map((address) => `${app}@${address}`).sort()
        const cookie = await secret('cookie')
        const lists = await Promise.all(addresses.map((address) => knownTo(address, cookie)))
        return lists.every((list, i) => {
          const others = names.filter((name) => name !== `${app}@${addresses[i]}`)
          return others.join() === list.join()
        })
      },
      { what: `${count} nodes that know each other`, timeoutMs: 30_000 },
    )
  return { home, repository, port, secret, node, running, meshed }
}
