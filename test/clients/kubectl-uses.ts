import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { buildMs, client, clusterOfFile, type Kubectl, kubectl, web } from './clients.ts'
import { streamUses } from './kubectl-streams.ts'

/** Each thing a user does with kubectl. */
const uses: Record<string, (k: Kubectl) => Promise<void>> = {
  async 'reads in every format, and watches'(k) {
    const { ok } = k
    await ok('apply', '-f', k.file('web.yaml', web))
    const watching = k.follow('get', 'deployments', '-w')
    await ok('wait', '--for=condition=Available', 'deploy/web', '--timeout=30s')
    assert.match(await watching.line(/^web +2\/2 +2 +2/), /web/)
    watching.stop()
    assert.match(await ok('get', 'deploy'), /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s\n$/)
    assert.match(
      await ok('get', 'deploy', '-o', 'wide'),
      /CONTAINERS +IMAGES +SELECTOR\n.* main +cuddle.local\/host +app=web/,
    )
    assert.match(await ok('get', 'deploy/web', '-o', 'yaml'), /^apiVersion: apps\/v1\nkind: Deployment\nmetadata:/)
    assert.equal((await k.json('get', 'deploy/web')).spec.replicas, 2)
    assert.equal(await ok('get', 'deploy,svc', '-o', 'name'), 'deployment.apps/web\nservice/web\n')
    assert.equal(await ok('get', 'deploy/web', '-o', 'jsonpath={.spec.template.spec.containers[*].name}'), 'main')
    assert.equal(await ok('get', 'deploy/web', '-o', 'go-template={{.spec.replicas}}'), '2')
    assert.equal(
      await ok('get', 'deploy', '-o', 'custom-columns=N:.metadata.name,R:.spec.replicas'),
      'N     R\nweb   2\n',
    )
    const pods = await ok('get', 'pods', '--show-labels', '-L', 'app', '--sort-by=.metadata.name', '--no-headers')
    assert.match(
      pods,
      /^(web-\S+ +1\/1 +Running +0 +\d+s +web +app=web,pod-template-hash=\w+,topology\.kubernetes\.io\/zone=zone-\d\n){2}$/,
    )
    assert.equal(await ok('get', 'pods', '--field-selector=status.phase=Failed', '-l', 'app=web', '-o', 'name'), '')
    assert.match(
      await ok('get', 'all'),
      /pod\/web-[\s\S]+service\/web[\s\S]+deployment.apps\/web[\s\S]+replicaset.apps\/web-/,
    )
    assert.match(await ok('get', 'pods', '--chunk-size=1'), /(web-.*\n){2}/)
    assert.match(await ok('get', 'pods', '-A', '-o', 'wide'), /NAMESPACE[\s\S]+127\.6[45]\.\d+\.\d+ +node-[01]/)
    assert.match(await ok('get', 'nodes'), /node-0 +Ready[\s\S]+node-1 +Ready/)
    assert.equal(await ok('get', '--raw', '/readyz'), 'ok')
    assert.match(await k.refused('get', 'deploy/other'), /deployments.apps "other" not found/)
    assert.match(await k.refused('get', 'unicorns'), /doesn't have a resource type "unicorns"/)
    const described = await ok('describe', 'deploy/web')
    assert.match(described, /Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable/)
    assert.match(described, /ScalingReplicaSet/)
    assert.match(
      await ok('describe', (await ok('get', 'pods', '-o', 'name')).split('\n')[0]!),
      /Events:\n[\s\S]+Scheduled[\s\S]+Pulled[\s\S]+Started/,
    )
    assert.match(await ok('describe', 'svc/web'), /Endpoints: +127\.\S+:80,127\.\S+:80/)
    assert.match(await ok('describe', 'node', 'node-0'), /Allocated resources:[\s\S]+cpu +\d+m/)
    assert.match(await ok('explain', 'deployment.spec.strategy.rollingUpdate'), /maxSurge/)
    assert.match(await ok('explain', 'deployment.spec.replicas'), /Number of desired pods/)
    assert.match(await ok('explain', 'cronjob', '--recursive'), /startingDeadlineSeconds/)
    assert.match(await ok('explain', 'release.spec'), /KIND: +Release/)
    assert.match(await ok('api-resources'), /deployments +deploy +apps\/v1 +true +Deployment/)
    assert.match(await ok('api-resources', '--verbs=list,create', '--namespaced', '-o', 'name'), /^jobs\.batch$/m)
    assert.match(await ok('api-versions'), /^apps\/v1$[\s\S]+^cuddle\.dev\/v1$[\s\S]+^v1$/m)
    assert.match(await ok('cluster-info'), /is running at/)
    assert.match(await ok('version'), /v1\.36/)
  },

  async 'applies, compares, edits and patches'(k) {
    const { ok } = k
    const file = k.file('web.yaml', web)
    const three = k.file('three.yaml', web.replace('replicas: 2', 'replicas: 3'))
    assert.match(await ok('apply', '-f', file, '--dry-run=server'), /created \(server dry run\)/)
    assert.match(await k.refused('get', 'deploy/web'), /not found/)
    assert.equal(await ok('apply', '-f', file), 'deployment.apps/web created\nservice/web created\n')
    assert.equal(await ok('apply', '-f', file), 'deployment.apps/web unchanged\nservice/web unchanged\n')
    assert.equal((await k.run('diff', '-f', file)).code, 0)
    const differs = await k.run('diff', '-f', three)
    assert.equal(differs.code, 1, differs.stderr)
    assert.match(differs.stdout, /^- {2}replicas: 2\n\+ {2}replicas: 3$/m)
    assert.match(await ok('apply', '-f', three), /deployment.apps\/web configured\nservice\/web unchanged/)
    const typo = k.file('typo.yaml', web.replace('replicas:', 'replcas:'))
    assert.match(await k.refused('apply', '-f', typo), /unknown field.*replcas/)

    assert.match(
      await ok('apply', '--server-side', '--field-manager=ci', '--force-conflicts', '-f', three),
      /serverside-applied/,
    )
    assert.match(
      await k.refused('apply', '--server-side', '-f', file),
      /conflicts? with "ci".*:\s(- )?\.spec\.replicas/,
    )
    assert.match(
      await ok('apply', '--server-side', '--force-conflicts', '-f', file),
      /deployment.apps\/web serverside-applied/,
    )
    assert.equal(await ok('get', 'deploy/web', '-o', 'jsonpath={.spec.replicas}'), '2')

    const editing = k.file('edit.sh', 'sed -i "s/replicas: 2/replicas: 1/" "$1"\n')
    assert.match(await k.edit(`sh ${editing}`, 'deploy/web'), /deployment.apps\/web edited/)
    assert.equal(await ok('get', 'deploy/web', '-o', 'jsonpath={.spec.replicas}'), '1')

    await ok('patch', 'deploy/web', '-p', '{"spec":{"template":{"spec":{"containers":[{"name":"main","tty":true}]}}}}')
    await ok('patch', 'deploy/web', '--type=merge', '-p', '{"metadata":{"labels":{"tier":"front"}}}')
    await ok('patch', 'deploy/web', '--type=json', '-p', '[{"op":"add","path":"/spec/minReadySeconds","value":1}]')
    const { metadata, spec } = await k.json('get', 'deploy/web')
    const [main] = spec.template.spec.containers
    assert.deepEqual(
      [main.tty, main.image, metadata.labels.tier, spec.minReadySeconds],
      [true, 'cuddle.local/host', 'front', 1],
    )
    assert.match(
      await k.refused('patch', 'deploy/web', '-p', '{"spec":{"replicas":-1}}'),
      /must be greater than or equal to 0/,
    )

    await ok('label', 'deploy/web', 'tier-', 'team=a')
    assert.match(await k.refused('label', 'deploy/web', 'team=b'), /already has a value/)
    await ok('label', 'deploy/web', 'team=b', '--overwrite')
    await ok('annotate', 'deploy/web', 'note=read me')
    const shown = (await k.json('get', 'deploy/web')).metadata
    assert.deepEqual([shown.labels.tier, shown.labels.team, shown.annotations.note], [undefined, 'b', 'read me'])

    await ok('create', 'configmap', 'palette', '--from-literal=colour=red')
    const blue = await k.json('create', 'configmap', 'palette', '--from-literal=colour=blue', '--dry-run=client')
    await ok('replace', '-f', k.file('blue.json', JSON.stringify(blue)))
    assert.equal(await ok('get', 'configmap/palette', '-o', 'jsonpath={.data.colour}'), 'blue')
    assert.match(await k.refused('create', 'configmap', 'palette'), /already exists/)
    const map = (name: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, labels: { set: 'pruned' } },
    })
    const list = (...names: string[]) =>
      k.file('list.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: names.map(map) }))
    await ok('apply', '-f', list('a', 'b'))
    const only = `--prune-${k.version[1] < 26 ? 'white' : 'allow'}list=core/v1/ConfigMap`
    assert.match(await ok('apply', '--prune', '-l', 'set=pruned', only, '-f', list('a')), /configmap\/b pruned/)
  },

  async 'scales and rolls out, back and again'(k) {
    const { ok } = k
    const env = (value: string) => ok('set', 'env', 'deploy/web', `VERSION=${value}`)
    const version = () => ok('get', 'deploy/web', '-o', 'jsonpath={.spec.template.spec.containers[0].env[0].value}')
    const rolledOut = async () =>
      assert.match(await ok('rollout', 'status', 'deploy/web', '--timeout=60s'), /successfully rolled out/)
    await ok('apply', '-f', k.file('web.yaml', web))
    await rolledOut()
    await ok('scale', 'deploy/web', '--replicas=3')
    assert.match(
      await k.refused('scale', 'deploy/web', '--replicas=1', '--current-replicas=9'),
      /Expected replicas to be 9, was 3/,
    )
    await rolledOut()
    await ok('annotate', 'deploy/web', 'kubernetes.io/change-cause=the first')
    await env('two')
    await rolledOut()
    await ok('annotate', 'deploy/web', 'kubernetes.io/change-cause=the second', '--overwrite')
    await until(async () => /1 +the first\n2 +the second/.test(await ok('rollout', 'history', 'deploy/web')))
    assert.match(await ok('rollout', 'history', 'deploy/web', '--revision=2'), /VERSION:\ttwo/)

    await ok('rollout', 'pause', 'deploy/web')
    await env('three')
    assert.match(await k.refused('rollout', 'undo', 'deploy/web'), /paused/)
    assert.equal((await ok('get', 'rs', '-o', 'name')).split('\n').filter(Boolean).length, 2)
    await ok('rollout', 'resume', 'deploy/web')
    await rolledOut()

    await ok('rollout', 'undo', 'deploy/web')
    await rolledOut()
    assert.equal(await version(), 'two')
    await ok('rollout', 'undo', 'deploy/web', '--to-revision=1')
    await rolledOut()
    assert.equal(await version(), 'one')
    const before = await ok('get', 'pods', '-l', 'app=web', '-o', 'name')
    await ok('rollout', 'restart', 'deploy/web')
    await rolledOut()
    await until(async () => {
      const names = (await ok('get', 'pods', '-o', 'name')).trim().split('\n')
      return names.length === 3 && names.every((name) => !before.includes(name))
    })
  },

  async 'reads logs as they are written, from before, and of many'(k) {
    const { ok } = k
    await ok('apply', '-f', k.file('web.yaml', web))
    await ok('wait', '--for=condition=Available', 'deploy/web', '--timeout=30s')
    const following = k.follow('logs', '-f', 'deploy/web')
    await following.line(/^line 3 of one$/)
    assert.equal(following.lines.filter((line) => line === 'line 2 of one').length, 1)
    assert.match(await ok('logs', 'deploy/web', '--tail=1'), /^line \d+ of one\n$/)
    assert.match(
      await ok('logs', '-l', 'app=web', '--prefix', '--timestamps', '--tail=1'),
      /^(\[pod\/web-\S+\/main\] \d{4}-\S+Z line \d+ of one\n){2}$/,
    )
    assert.match(await ok('logs', 'deploy/web', '--since=1h'), /^line 0 of one\n/)
    assert.doesNotMatch(await ok('logs', 'deploy/web', '--since=1s'), /^line 0 /)
    assert.equal(await ok('logs', 'deploy/web', '--limit-bytes=6'), 'line 0')
    const manifest = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"twice"},"spec":{"containers":[{"name":"main","image":"cuddle.local/host",
      "command":["sh","-c","test -f $SEEN && echo again && exec sleep 60; echo first; sleep 1; touch $SEEN; exit 3"],
      "env":[{"name":"SEEN","value":"${k.folder}/seen"}]}]}}`
    await ok('apply', '-f', k.file('twice.json', manifest))
    const restarts = 'jsonpath={.status.containerStatuses[0].restartCount}{.status.phase}'
    await until(async () => (await ok('get', 'pod/twice', '-o', restarts)) === '1Running', { timeoutMs: 30_000 })
    await until(async () => (await ok('logs', 'twice')) === 'again\n')
    assert.equal(await ok('logs', 'twice', '--previous'), 'first\n')
    assert.match(await k.refused('logs', 'twice', '-c', 'other'), /container other is not valid for pod twice/)
    await ok('delete', 'deploy/web')
    await following.ended
  },

  async 'runs jobs'(k) {
    const { ok } = k
    // Debian's asks for batch/v1beta1, which is gone since Kubernetes 1.25.
    if (k.version[1] >= 21) {
      await ok(
        'create',
        'cronjob',
        'nightly',
        '--image=cuddle.local/host',
        '--schedule=0 0 1 1 *',
        '--',
        'sh',
        '-c',
        'echo done',
      )
      await ok('create', 'job', 'now', '--from=cronjob/nightly')
    } else await ok('create', 'job', 'now', '--image=cuddle.local/host', '--', 'sh', '-c', 'echo done')
    assert.match(await ok('wait', '--for=condition=complete', 'job/now', '--timeout=30s'), /condition met/)
    assert.equal(await ok('logs', 'job/now'), 'done\n')
    assert.match(await ok('get', 'jobs'), /now +.*1\/1/)
    await ok(
      'run',
      'lone',
      '--image=cuddle.local/host',
      '--restart=Never',
      '--command',
      '--',
      'sh',
      '-c',
      'echo hello; exit 4',
    )
    await until(async () => (await ok('get', 'pod/lone', '-o', 'jsonpath={.status.phase}')) === 'Failed')
    assert.match(await ok('get', 'pod/lone'), /lone +0\/1 +Error/)
    assert.match(await ok('describe', 'pod/lone'), /Exit Code: +4/)
  },

  async 'cordons, taints and drains nodes'(k) {
    const { ok } = k
    const budget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'web' } }
    const spec = { minAvailable: 1, selector: { matchLabels: { app: 'web' } } }
    await ok('apply', '-f', k.file('web.yaml', web.replaceAll('app: web', `app: ${k.namespace}`)))
    await ok('wait', '--for=condition=Available', 'deploy/web', '--timeout=30s')
    await ok(
      'apply',
      '-f',
      k.file(
        'pdb.json',
        JSON.stringify({ ...budget, spec: { ...spec, selector: { matchLabels: { app: k.namespace } } } }),
      ),
    )
    await until(async () => (await ok('get', 'pdb/web', '-o', 'jsonpath={.status.disruptionsAllowed}')) === '1')
    assert.match(await ok('cordon', 'node-1'), /node\/node-1 cordoned/)
    assert.match(await ok('get', 'nodes'), /node-1 +Ready,SchedulingDisabled/)
    const selector = `--pod-selector=app=${k.namespace}`
    assert.match(
      await ok('drain', 'node-1', '--ignore-daemonsets', selector, '--timeout=60s'),
      /pod\/web-\S+ evicted[\s\S]*node\/node-1/,
    )
    await until(async () =>
      /^(node-0 ){2}$/.test(await ok('get', 'pods', '-o', 'jsonpath={range .items[*]}{.spec.nodeName} {end}')),
    )
    assert.match(await ok('uncordon', 'node-1'), /uncordoned/)

    await ok('taint', 'nodes', 'node-1', 'slow=yes:NoSchedule')
    assert.deepEqual((await k.json('get', 'node/node-1')).spec.taints, [
      { key: 'slow', value: 'yes', effect: 'NoSchedule' },
    ])
    await ok('taint', 'nodes', 'node-1', 'slow-')
    assert.equal((await k.json('get', 'node/node-1')).spec.taints, undefined)
    await ok('taint', 'nodes', 'node-0', `only=${k.namespace}:NoExecute`)
    await until(async () =>
      /^(node-1 ){2}$/.test(await ok('get', 'pods', '-o', 'jsonpath={range .items[*]}{.spec.nodeName} {end}')),
    )
    await ok('taint', 'nodes', 'node-0', 'only-')
  },

  async 'deletes with every cascade'(k) {
    const { ok } = k
    const file = k.file('web.yaml', web)
    const cascade = (name: string) => (k.version[1] < 20 ? `--cascade=${name !== 'orphan'}` : `--cascade=${name}`)
    await ok('apply', '-f', file)
    await ok('wait', '--for=condition=Available', 'deploy/web', '--timeout=30s')
    await ok('delete', 'deploy/web', cascade('orphan'))
    const [replicaSet] = (await k.json('get', 'rs')).items
    assert.equal(replicaSet.metadata.ownerReferences, undefined)
    assert.equal((await k.json('get', 'pods')).items.length, 2)
    await ok('delete', 'rs', '--all', cascade('foreground'), '--timeout=30s')
    assert.equal(await ok('get', 'rs,pods', '-o', 'name'), '')
    await ok('apply', '-f', file)
    await ok('delete', '-f', file, cascade('background'))
    await until(async () => (await ok('get', 'all', '-o', 'name')) === '')
    await ok(
      'run',
      'stubborn',
      '--image=cuddle.local/host',
      '--restart=Never',
      '--',
      'sh',
      '-c',
      'trap "" TERM; while :; do sleep 1; done',
    )
    await ok('wait', '--for=condition=Ready', 'pod/stubborn', '--timeout=30s')
    assert.match(await ok('delete', 'pod/stubborn', '--grace-period=0', '--force'), /force deleted/)
    await ok('create', 'configmap', 'a')
    await ok('label', 'configmap', 'a', 'x=1')
    assert.match(await ok('delete', 'configmap', '-l', 'x=1'), /configmap "a" deleted/)
    await ok('delete', 'configmap', 'a', '--ignore-not-found')
    await ok('delete', 'namespace', k.namespace, '--timeout=60s')
    assert.match(await k.refused('get', 'namespace', k.namespace), /not found/)
  },

  async 'asks what it may'(k) {
    const { ok } = k
    assert.equal(await ok('auth', 'can-i', 'delete', 'nodes'), 'yes\n')
    assert.match(await ok('auth', 'can-i', '--list'), /\*\.\* +\[\] +\[\] +\[\*\]/)
    await ok('create', 'serviceaccount', 'robot')
    await ok('create', 'role', 'reader', '--verb=get,list', '--resource=pods')
    await ok('create', 'rolebinding', 'robot', '--role=reader', `--serviceaccount=${k.namespace}:robot`)
    const robot = `--as=system:serviceaccount:${k.namespace}:robot`
    await until(async () => (await k.run('auth', 'can-i', 'list', 'pods', robot)).stdout === 'yes\n')
    assert.equal((await k.run('auth', 'can-i', 'delete', 'pods', robot)).stdout, 'no\n')
    assert.equal((await k.run('auth', 'can-i', 'list', 'pods', robot, '-n', 'default')).stdout, 'no\n')
    assert.equal((await k.run('auth', 'can-i', 'list', 'pods', '--as=nobody')).stdout, 'no\n')
    assert.match(
      await k.refused('get', 'secrets', robot),
      /User "system:serviceaccount:\S+:robot" cannot list resource "secrets"/,
    )
  },
}

/** Does all of it with one of the kubectls of scripts/clients.sh, each use in a namespace of its own. */
export function testKubectl(name: string): void {
  const home = clusterOfFile()
  test(name, { timeout: buildMs }, async (t) => {
    const program = await client(t, name)
    if (program === undefined) return
    for (const [use, run] of Object.entries({ ...uses, ...streamUses }))
      await t.test(`${name} ${use}`, async (t) => run(await kubectl(t, home(), program)))
  })
}
