import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createKube, Deployment, httpTransport, type Kube, loadKubeConfig, Namespace, Pod, Service } from '#kube'
import { type ExecResult, exec } from '#lib'
import { until } from '#lib/testing'
import { pushBusybox, whyNoBusybox } from './busybox.ts'
import { whyNoNode } from './node/node.ts'
import { findPrograms } from './programs.ts'

const programs = findPrograms(process.env, { build: false })
const reason = 'missing' in programs ? programs.missing : (whyNoNode(programs) ?? whyNoBusybox())
const slow = { timeoutMs: 90_000, intervalMs: 100 }

describe('a real node', { skip: reason ?? false, timeout: 240_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'cuddle-real-node-'))
  const kubeconfig = join(home, 'kubeconfig')
  const namespace = 'hello'
  const labels = { app: 'hello' }
  let kube: Kube
  let up: ExecResult
  let machine: { pid: number; name: string }
  let image = ''
  let pods: { name: string; address: string }[] = []

  before(async () => {
    rmSync(home, { recursive: true })
    up = await run('up', '--node', home)
    assert.equal(up.code, 0, up.stderr)
    machine = JSON.parse(readFileSync(join(home, 'machine.json'), 'utf8'))
    kube = createKube(httpTransport(loadKubeConfig({ path: kubeconfig })))
  })
  after(async () => {
    kube?.close()
    await run('down', home)
  })

  test('says where it is, and where images go', async () => {
    assert.ok(up.stdout.includes(`export KUBECONFIG=${kubeconfig}`))
    const registry = /^kubernetes: registry (127\.0\.0\.1:\d+) /m.exec(up.stdout)?.[1]
    assert.ok(registry, up.stdout)
    image = await pushBusybox(join(home, 'images'), registry)
  })

  test('runs a Deployment under the restricted profile, with an image that it pulls', async () => {
    const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' }
    await kube.create(Namespace, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: restricted },
    })
    await kube.create(Deployment, deployment(namespace, labels, image))
    await until(async () => {
      const { items } = await kube.list(Pod, { namespace, labelSelector: 'app=hello' })
      const ready = items.filter((pod) =>
        pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      )
      pods = ready.map((pod) => ({ name: pod.metadata.name!, address: pod.status!.podIP! }))
      if (ready.length < 2) throw new Error(JSON.stringify(items.map(({ status }) => status)))
      return true
    }, slow)
    for (const { name, address } of pods) {
      assert.equal(await (await fetch(`http://${address}:8080/`)).text(), `${name}\n`)
    }
    const { status } = await kube.get(Pod, pods[0].name, namespace)
    assert.ok(
      status!.containerStatuses![0].imageID.endsWith(image.split('@')[1]),
      'the image is the one that was pushed',
    )
  })

  test('serves a Service at one address, from here and from a pod', async () => {
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'hello', namespace },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    }
    const { spec } = await kube.create(Service, service)
    const answered = new Set<string>()
    await until(async () => {
      const signal = AbortSignal.timeout(2_000)
      const answer = await fetch(`http://${spec!.clusterIP}/`, { signal, headers: { connection: 'close' } })
      answered.add((await answer.text()).trim())
      return answered.size === 2
    }, slow)
    assert.deepEqual([...answered].sort(), pods.map(({ name }) => name).sort())
    const inside = await inPod(`wget -q -O - http://${spec!.clusterIP}/`)
    assert.equal(inside.code, 0)
    assert.ok(answered.has(inside.stdout.trim()))
  })

  test('holds pods to their securityContext', async () => {
    const { stdout, code } = await inPod('id -u; touch /no || exit 7')
    assert.deepEqual([stdout, code], ['65534\n', 7])
    const status = await inPod('cat /proc/self/status')
    assert.match(status.stdout, /^NoNewPrivs:\s+1$/m)
    assert.match(status.stdout, /^Seccomp:\s+2$/m)
    assert.match(status.stdout, /^CapEff:\s+0+$/m)
  })

  test('tells logs, and follows them', async () => {
    const lines: string[] = []
    for await (const line of kube.logs(pods[0].name, namespace)) lines.push(line)
    assert.equal(lines[0], `hello from ${pods[0].name}`)
  })

  const kubectl = async (...args: string[]) => {
    const env = { ...process.env, KUBECONFIG: kubeconfig }
    return exec('kubectl', ['-n', namespace, ...args], { env, timeoutMs: 30_000 })
  }
  const noKubectl = process.env['PATH']!.split(':').some((folder) => existsSync(join(folder, 'kubectl')))
    ? false
    : 'kubectl is not installed'

  test('lets kubectl read logs, exec and forward a port', { skip: noKubectl }, async (t) => {
    const [{ name }] = pods
    assert.equal((await kubectl('logs', name)).stdout, `hello from ${name}\n`)
    const ran = await kubectl('exec', name, '--', 'sh', '-c', 'hostname; exit 3')
    assert.deepEqual([ran.stdout, ran.code], [`${name}\n`, 3])
    const forward = spawn('kubectl', ['-n', namespace, 'port-forward', `pod/${name}`, ':8080'], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => forward.kill())
    let told = ''
    forward.stdout.on('data', (text) => (told += text))
    const port = await until(() => /127\.0\.0\.1:(\d+)/.exec(told)?.[1], slow)
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), `${name}\n`)
  })

  test('goes without a trace', async () => {
    const within = processesOf(machine.pid)
    assert.ok(within.length > 5, 'kubelet, containerd, shims and containers run in the namespaces of the node')
    const down = await run('down', home)
    assert.deepEqual([down.code, down.stdout], [0, 'kubernetes: is down\n'])
    assert.deepEqual(processesOf(machine.pid), [])
    assert.deepEqual(mentioned(home), [], 'processes')
    assert.equal(existsSync(home), false)
    assert.equal(machine.name in networkInterfaces(), false, 'the link is gone')
    assert.ok(!readFileSync('/proc/net/route', 'utf8').includes(machine.name), 'and so are its routes')
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(home), 'mounts')
    const cgroups = readdirSync('/sys/fs/cgroup').filter((root) =>
      existsSync(join('/sys/fs/cgroup', root, machine.name)),
    )
    assert.deepEqual(cgroups, [])
  })

  /** Runs a line of shell in the first pod. */
  async function inPod(line: string): Promise<{ code: number; stdout: string }> {
    let stdout = ''
    const code = await kube.exec(pods[0].name, namespace, {
      command: ['sh', '-c', line],
      stdout: (bytes) => void (stdout += Buffer.from(bytes).toString()),
      stderr: () => {},
    })
    return { code, stdout }
  }
})

function run(verb: 'up' | 'down', ...args: string[]): Promise<ExecResult> {
  const flags = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, `${verb}.ts`)]
  return exec(process.execPath, [...flags, ...args], { env: process.env, timeoutMs: 120_000 })
}

/** Those in the same network namespace or below it in the tree of processes: shims, sandboxes and containers. */
function processesOf(first: number): number[] {
  const parents = new Map<number, number>()
  for (const pid of pids()) {
    const stat = read(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ')
    if (stat.length > 1) parents.set(pid, Number(stat[1]))
  }
  const below = (pid: number | undefined): boolean => pid !== undefined && (pid === first || below(parents.get(pid)))
  return [...parents.keys()].filter(below)
}

function mentioned(text: string): number[] {
  return pids().filter((pid) => pid !== process.pid && read(`/proc/${pid}/cmdline`).includes(text))
}

function pids(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
}

/** A file of a process that may be gone by now. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Two pods that say their names over HTTP on 8080, as the restricted profile wants them. */
function deployment(namespace: string, labels: Record<string, string>, image: string) {
  const script = 'echo hello from $(hostname); hostname >/tmp/index.html; exec httpd -f -p 8080 -h /tmp'
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'hello', namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: 'RuntimeDefault' } },
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'web',
              image,
              command: ['sh', '-c', script],
              ports: [{ containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '200m', memory: '32Mi' } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
            },
          ],
          volumes: [{ name: 'tmp', emptyDir: {} }],
        },
      },
    },
  }
}
