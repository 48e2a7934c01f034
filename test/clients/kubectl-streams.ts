import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '#lib/testing'
import type { Kubectl } from './clients.ts'

const box = `
apiVersion: v1
kind: Pod
metadata: {name: box, labels: {app: box}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: cuddle.local/host
    command: ['${process.execPath}', -e, 'require("http").createServer((q, s) => s.end("hello " + q.url)).listen(process.env.PORT, process.env.POD_IP)']
    ports: [{name: http, containerPort: 8080}]
    env: [{name: PORT, value: '8080'}, {name: COLOUR, value: red}]
    readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: box}
spec:
  selector: {app: box}
  ports: [{name: http, port: 80, targetPort: http}]
`

async function ready(k: Kubectl): Promise<void> {
  await k.ok('apply', '-f', k.file('box.yaml', box))
  await k.ok('wait', '--for=condition=Ready', 'pod/box', '--timeout=30s')
}

/** What a user does inside pods, and what goes through them. */
export const streamUses: Record<string, (k: Kubectl) => Promise<void>> = {
  async 'runs commands in pods, on a terminal too'(k) {
    await ready(k)
    assert.equal(await k.ok('exec', 'box', '--', 'sh', '-c', 'echo $COLOUR'), 'red\n')
    const failed = await k.run('exec', 'box', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3')
    assert.deepEqual([failed.code, failed.stdout], [3, 'out\n'])
    assert.match(failed.stderr, /^err\n/)
    const { code, shown } = await k.terminal('stty size; tty; exit 5\r', 'exec', '-it', 'box', '--', 'sh')
    assert.equal(code, 5, shown)
    assert.match(shown, /33 99\n\/dev\/pts\/\d+/)
    assert.match(
      await k.refused('exec', 'box', '-c', 'other', '--', 'true'),
      /container other is not valid for pod box/,
    )
    assert.match(await k.refused('exec', 'none', '--', 'true'), /pods "none" not found/)
  },

  async 'copies files and folders in and out'(k) {
    await ready(k)
    const from = join(k.folder, 'from')
    mkdirSync(join(from, 'deep'), { recursive: true })
    writeFileSync(join(from, 'deep/file'), 'content\n')
    mkdirSync(join(k.folder, 'there'))
    const there = join(k.folder, 'there/from')
    await k.ok('cp', from, `box:${there}`)
    assert.equal(readFileSync(join(there, 'deep/file'), 'utf8'), 'content\n')
    await k.ok('cp', `box:${there}`, join(k.folder, 'back'))
    assert.equal(readFileSync(join(k.folder, 'back/deep/file'), 'utf8'), 'content\n')
    await k.ok('cp', `box:${there}/deep/file`, join(k.folder, 'one'))
    assert.equal(readFileSync(join(k.folder, 'one'), 'utf8'), 'content\n')
  },

  async 'forwards ports of pods and Services'(k) {
    await ready(k)
    for (const [target, port] of [
      ['pod/box', ':8080'],
      ['svc/box', ':80'],
    ]) {
      const forwarding = k.follow('port-forward', target, port)
      const [, local] = /127\.0\.0\.1:(\d+) ->/.exec(await forwarding.line(/^Forwarding from 127\.0\.0\.1:/))!
      for (const path of ['/a', '/b'])
        assert.equal(await (await fetch(`http://127.0.0.1:${local}${path}`)).text(), `hello ${path}`)
      forwarding.stop()
      await forwarding.ended
    }
  },

  async 'shows what nodes and pods use'(k) {
    await ready(k)
    await until(async () => /^box +\d+m +[1-9]\d*Mi/m.test((await k.run('top', 'pods', '--no-headers')).stdout), {
      timeoutMs: 60_000,
    })
    assert.match(
      await k.ok('top', 'pod', 'box', '--containers', '--no-headers'),
      /^(\S+ +)?box +main +\d+m +[1-9]\d*Mi/m,
    )
    assert.match(await k.ok('top', 'nodes', '--no-headers'), /^node-0 +\d+m +\d+% +\d+Mi +\d+%/m)
  },
}
