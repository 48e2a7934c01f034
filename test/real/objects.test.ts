import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { createKube, httpTransport, type Kube, type KubeObject, loadKubeConfig, Node, Pod, type Transport } from '#kube'
import { systemClock } from '#lib'
import { applyAll, installWithAccess, issueToken } from '#platform'
import { root } from '../e2e/harness.ts'
import { type RealCluster, startRealCluster } from '../kubernetes/cluster.ts'
import { findPrograms } from '../kubernetes/programs.ts'

const programs = findPrograms(process.env, { build: false })
const skip = 'missing' in programs ? programs.missing : false
const golden = join(root, 'src/manifests/golden')

/** The API server alone: nobody else writes, so a version that has changed was changed by us. */
describe('what src/manifests makes, on a real API server', { skip, timeout: 120_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'cuddle-real-objects-'))
  const warnings: string[] = []
  let cluster: RealCluster
  let admin: Kube
  /** With the rights that the platform's own manifest gives it, and no others. */
  let platform: Kube

  before(async () => {
    if ('missing' in programs) return
    const { etcd, apiserver } = programs
    cluster = await startRealCluster({ home, programs: { etcd, apiserver } })
    const access = loadKubeConfig({ path: cluster.kubeconfig })
    admin = createKube(heard(httpTransport(access), warnings))
    const settings = {
      baseDomain: 'localhost',
      scheme: 'http' as const,
      platformUrl: 'http://127.0.0.1:1',
      ingressClassName: 'cuddle',
    }
    await installWithAccess(admin, settings, systemClock)
    const priority = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'low' }, value: 1 }
    await admin.request('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', { body: priority })
    const { token } = await issueToken(admin)
    const { server, ca, namespace } = access
    platform = createKube(heard(httpTransport({ server, namespace, token, ...(ca && { ca }) }), warnings))
  })
  after(async () => {
    admin?.close()
    platform?.close()
    await cluster?.stop()
    rmSync(home, { recursive: true, force: true })
  })

  for (const name of readdirSync(golden).sort()) {
    test(`${name}: accepted without a warning, and the second time nothing changes`, async () => {
      const objects = objectsOf(name, `golden-${name}`)
      warnings.length = 0
      await applyAll(platform, objects)
      // Kubernetes writes a claim once more when it is first applied again, and the same: kubectl sees that too.
      await applyAll(
        platform,
        objects.filter(({ kind }) => kind === 'PersistentVolumeClaim'),
      )
      const first = await versions(admin, objects)
      await applyAll(platform, objects)
      assert.deepEqual(await versions(admin, objects), first)
      for (const pod of podsOf(objects)) await admin.create(Pod, pod, { dryRun: true })
      assert.deepEqual(warnings, [])
    })
  }

  test('the rights of the platform end where its work does', async () => {
    const [pod] = podsOf(objectsOf('bare-web', 'golden-bare-web'))
    await assert.rejects(platform.list(Node), { code: 403 })
    await assert.rejects(platform.create(Pod, pod, { dryRun: true }), { code: 403 })
    await assert.rejects(platform.exec('any', 'golden-bare-web', { command: ['sh'] } as never))
    await assert.rejects(platform.request('GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles'), { code: 403 })
    assert.ok((await issueToken(platform)).expiresAt > systemClock.now(), 'it renews its own token')
  })
})

/** The objects of a golden case, in a namespace of their own. */
function objectsOf(name: string, namespace: string): KubeObject[] {
  const file = join(golden, name, 'expected.yaml')
  assert.ok(existsSync(file))
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
    const object = document.toJS() as KubeObject
    if (object.kind === 'Namespace') object.metadata.name = namespace
    else object.metadata.namespace = namespace
    return object
  })
}

async function versions(kube: Kube, objects: readonly KubeObject[]): Promise<Record<string, string | undefined>> {
  const entries = objects.map(async ({ apiVersion, kind, metadata: { name, namespace } }) => {
    const type = await kube.resolve(apiVersion, kind)
    const { metadata } = await kube.get(type!, name!, namespace)
    return [`${kind}/${name}`, metadata.resourceVersion] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** The pods that the workloads of these objects would make. */
function podsOf(objects: readonly KubeObject[]) {
  return objects.flatMap(({ spec, metadata }) => {
    const template = spec?.['template'] ?? spec?.['jobTemplate']?.spec.template
    if (!template) return []
    const { namespace } = metadata
    return [
      { apiVersion: 'v1', kind: 'Pod', ...template, metadata: { ...template.metadata, name: 'probe', namespace } },
    ]
  })
}

/** Notes what the server warns of. */
function heard(transport: Transport, warnings: string[]): Transport {
  return {
    ...transport,
    async request(request) {
      const response = await transport.request(request)
      const { warning = [] } = response.headers
      for (const text of [warning].flat()) warnings.push(`${request.method} ${request.path}: ${text}`)
      return response
    },
  }
}
