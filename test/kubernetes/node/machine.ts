/** The machine that a node is: namespaces of its own for mounts, network and processes, and a link to them. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { CuddleError, errorMessage } from '#lib'
import { startTime } from '../start-time.ts'

export interface Machine {
  /** Its first process, as this machine counts; with it everything in it ends. */
  readonly pid: number
  /** Of the link's end on this machine; also the name of its cgroups. */
  readonly name: string
  /** Addresses of the link: this machine's end, the node's end. */
  readonly outside: string
  readonly address: string
  readonly pods: string
  readonly services: string
  /** A command that runs another one there. */
  readonly enter: readonly string[]
}

interface Note {
  pid: number
  started: string
  name: string
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Makes it, and notes it in `home` first thing, so that endMachine finds it whatever happens. Needs root. */
export async function startMachine(home: string): Promise<Machine> {
  if (/^\/(run|var\/lib|var\/log)(\/|$)/.test(home)) {
    throw new CuddleError('bad-folder', `a node cannot live in ${home}: it has folders of its own there`)
  }
  const script = join(import.meta.dirname, 'machine.sh')
  const child = spawn('unshare', ['--mount', '--net', '--pid', '--fork', '--kill-child', 'sh', script, home], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  let complaint = ''
  child.stderr.on('data', (text) => (complaint += text))
  child.on('error', (error) => (complaint += error.message))
  const file = join(home, 'machine.pid')
  while (!existsSync(file)) {
    if (child.pid === undefined || child.exitCode !== null) {
      throw new CuddleError('no-namespaces', `this machine makes no namespaces: ${complaint.trim()}`)
    }
    await wait(5)
  }
  child.stderr.destroy()
  child.unref()
  const pid = Number(readFileSync(file, 'utf8'))
  const note = (name: string) =>
    writeFileSync(noteOf(home), JSON.stringify({ pid, started: startTime(pid), name } satisfies Note))
  note('')
  const number = link(pid)
  const name = linkName(number)
  note(name)
  const [outside, address] = [`10.88.${number}.1`, `10.88.${number}.2`]
  const [pods, services] = [`10.89.${number}.0/24`, `10.90.${number}.0/24`]
  const enter = ['nsenter', `--target=${pid}`, '--mount', '--net', '--pid']
  ip('address', 'add', `${outside}/30`, 'dev', name)
  ip('link', 'set', name, 'up')
  const inside = (...args: string[]) => execFileSync(enter[0], [...enter.slice(1), 'ip', ...args], { stdio: 'pipe' })
  inside('address', 'add', `${address}/30`, 'dev', 'uplink')
  inside('link', 'set', 'uplink', 'up')
  inside('route', 'add', 'default', 'via', outside)
  ip('route', 'add', pods, 'via', address)
  ip('route', 'add', services, 'via', address)
  for (const root of cgroupRoots()) makeCgroup(root, name)
  return { pid, name, outside, address, pods, services, enter }
}

/** Ends the machine that is noted in `home`, and takes away its link and its cgroups. Does nothing when there is none. */
export async function endMachine(home: string): Promise<void> {
  if (!existsSync(noteOf(home))) return
  const { pid, started, name } = JSON.parse(readFileSync(noteOf(home), 'utf8')) as Note
  if (startTime(pid) === started) process.kill(pid, 'SIGKILL')
  const deadline = performance.now() + 10_000
  while (startTime(pid) === started && performance.now() < deadline) await wait(5)
  if (name === '') return
  if (name in networkInterfaces() || existsSync(`/sys/class/net/${name}`)) {
    try {
      ip('link', 'delete', name)
    } catch (error) {
      // It may have gone with the other end.
      if (existsSync(`/sys/class/net/${name}`)) throw error
    }
  }
  for (const root of cgroupRoots()) {
    while (!removeCgroup(join(root, name)) && performance.now() < deadline) await wait(20)
  }
}

function noteOf(home: string): string {
  return join(home, 'machine.json')
}

function linkName(number: number): string {
  return `cuddle${number}`
}

/** Makes the link under the first number whose name and addresses are free. */
function link(pid: number): number {
  const taken = new Set(
    Object.values(networkInterfaces()).flatMap((all) => all!.map(({ address }) => address.split('.', 3).join('.'))),
  )
  for (let number = 0; number < 256; number++) {
    const name = linkName(number)
    if (taken.has(`10.88.${number}`) || existsSync(`/sys/class/net/${name}`)) continue
    try {
      ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', String(pid))
      return number
    } catch (error) {
      // Someone else was faster.
      if (!/File exists/.test(errorMessage(error))) throw error
    }
  }
  throw new CuddleError('no-network', 'all of 10.88.0.0/16 is taken: is a cluster that nobody needs left over?')
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}

/** The hierarchies of cgroups v1, else that of v2. */
function cgroupRoots(): string[] {
  const root = '/sys/fs/cgroup'
  if (existsSync(join(root, 'cgroup.procs'))) return [root]
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [join(root, entry.name)] : [],
  )
}

function makeCgroup(root: string, name: string): void {
  const folder = join(root, name)
  mkdirSync(folder, { recursive: true })
  // Of v1 an empty cpuset lets no process in.
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (root.endsWith('/cpuset')) writeFileSync(join(folder, file), readFileSync(join(root, file)))
  }
}

/** Removes a cgroup and those below; false when a process is still leaving. */
function removeCgroup(folder: string): boolean {
  if (!existsSync(folder)) return true
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory() && !removeCgroup(join(folder, entry.name))) return false
  }
  try {
    rmdirSync(folder)
    return true
  } catch {
    return !existsSync(folder)
  }
}
