import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { exec } from '#lib'
import { testApi } from './testing.ts'

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "img:1", ports: [{name: http, containerPort: 8080}], resources: {requests: {cpu: "1", memory: 64Mi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
`

async function kubectlOf(t: TestContext) {
  const found = await exec('kubectl', ['version', '--client'], { env: process.env }).catch(() => undefined)
  if (found?.code !== 0) {
    t.skip('kubectl is not installed: install Debian package kubernetes-client')
    return undefined
  }
  const { home, kubeconfig } = await testApi(t)
  const file = join(home, 'manifest.yaml')
  writeFileSync(file, manifest)
  const env = { PATH: process.env['PATH'], HOME: home, KUBECONFIG: kubeconfig, KUBE_EDITOR: 'sed -i s/img:2/img:3/' }
  const run = (...args: string[]) => exec('kubectl', args, { env, timeoutMs: 30_000 })
  const ok = async (...args: string[]) => {
    const result = await run(...args)
    assert.equal(result.code, 0, `kubectl ${args.join(' ')}: ${result.stderr}`)
    return result.stdout
  }
  return { home, file, run, ok }
}

test('kubectl applies with validation, changes, describes and deletes', async (t) => {
  const kubectl = await kubectlOf(t)
  if (!kubectl) return
  const { home, file, run, ok } = kubectl
  assert.match(await ok('apply', '-f', file), /deployment.apps\/web created\nservice\/web created/)
  assert.match(await ok('apply', '-f', file), /deployment.apps\/web unchanged\nservice\/web unchanged/)
  const typo = join(home, 'typo.yaml')
  writeFileSync(typo, manifest.replace('replicas:', 'replcas:'))
  const refused = await run('apply', '-f', typo)
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /unknown field/)
  assert.match(await ok('get', 'deploy,svc'), /NAME +READY +UP-TO-DATE +AVAILABLE +AGE\ndeployment.apps\/web +0\/2/)
  await ok('scale', 'deploy/web', '--replicas=3')
  await ok('set', 'image', 'deploy/web', 'c=img:2')
  await ok('edit', 'deploy/web')
  await ok('label', 'deploy/web', 'tier=front')
  await ok('annotate', 'deploy/web', 'note=x')
  await ok('patch', 'deploy/web', '-p', '{"spec":{"minReadySeconds":5}}')
  await ok('rollout', 'restart', 'deploy/web')
  const shown = JSON.parse(await ok('get', 'deploy/web', '-o', 'json'))
  assert.equal(shown.spec.replicas, 3)
  assert.equal(shown.spec.minReadySeconds, 5)
  assert.equal(shown.spec.template.spec.containers[0].image, 'img:3')
  assert.equal(shown.metadata.labels.tier, 'front')
  assert.match(await ok('describe', 'deploy/web'), /Replicas: +3 desired/)
  assert.match(await ok('explain', 'deployment.spec.strategy'), /rollingUpdate/)
  await ok('delete', '-f', file)
  assert.notEqual((await run('get', 'deploy/web')).code, 0)
})

test('kubectl creates what newer ones send as protobuf', async (t) => {
  const kubectl = await kubectlOf(t)
  if (!kubectl) return
  const { ok, file } = kubectl
  const client = JSON.parse(await ok('version', '--client', '-o', 'json')).clientVersion
  if (Number.parseInt(client.minor, 10) < 32) return t.skip(`kubectl ${client.gitVersion} sends JSON`)
  await ok('apply', '-f', file)
  await ok('create', 'configmap', 'palette', '--from-literal=colour=red')
  assert.equal(await ok('get', 'configmap', 'palette', '-o', 'jsonpath={.data.colour}'), 'red')
  await ok('create', 'secret', 'generic', 'key', '--from-literal=word=open')
  assert.equal(await ok('get', 'secret', 'key', '-o', 'jsonpath={.data.word}'), 'b3Blbg==')
  await ok('create', 'job', 'once', '--image=img:1', '--', 'true')
  assert.equal(await ok('get', 'job', 'once', '-o', 'jsonpath={.spec.template.spec.containers[0].command[0]}'), 'true')
  await ok('create', 'serviceaccount', 'robot')
  assert.match(await ok('create', 'token', 'robot'), /^ey/)
  assert.match(await ok('auth', 'can-i', 'delete', 'nodes'), /yes/)
  assert.match(await ok('auth', 'whoami'), /kubernetes-admin/)
  await ok('autoscale', 'deployment', 'web', '--min=1', '--max=3', '--cpu-percent=50')
  assert.equal(await ok('get', 'hpa', 'web', '-o', 'jsonpath={.spec.maxReplicas}'), '3')
})
