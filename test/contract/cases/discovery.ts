import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import type { Answer } from '../client.ts'
import { schemaOf } from '../objects.ts'

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

contract('/api and /apis answer without aggregation', async (c) => {
  const core = await c.get('/api', { pick: ({ serverAddressByClientCIDRs: _, ...rest }) => rest })
  assert.deepEqual(core.body.versions, ['v1'])
  const groups = await c.get('/apis', { pick: ({ kind, apiVersion }) => ({ kind, apiVersion }) })
  assert.ok(groups.body.groups.some(({ name }: any) => name === 'apps'))
})

contract('the groups and their order', async (c) => {
  await c.get('/apis', {
    pick: ({ groups }) => groups.map((group: any) => group.name).filter((name: string) => !/example\.com$/.test(name)),
  })
})

contract('the resources of the core group', async (c) => {
  await c.get('/api/v1', { pick: ({ resources }) => byName(resources) })
})

for (const version of [
  'apps/v1',
  'batch/v1',
  'autoscaling/v2',
  'policy/v1',
  'networking.k8s.io/v1',
  'rbac.authorization.k8s.io/v1',
  'coordination.k8s.io/v1',
  'discovery.k8s.io/v1',
  'events.k8s.io/v1',
  'storage.k8s.io/v1',
  'scheduling.k8s.io/v1',
  'apiextensions.k8s.io/v1',
  'authentication.k8s.io/v1',
  'authorization.k8s.io/v1',
  'apiregistration.k8s.io/v1',
  'node.k8s.io/v1',
  'admissionregistration.k8s.io/v1',
  'certificates.k8s.io/v1',
]) {
  contract(`the resources of ${version}`, async (c) => {
    await c.get(`/apis/${version}`, { pick: (list) => ({ ...list, resources: byName(list.resources ?? []) }) })
    await c.get(`/apis/${version.split('/')[0]}`)
  })
}

contract('aggregated discovery of core and apps', async (c) => {
  const core = await c.get('/api', {
    headers: { accept: `${aggregated},application/json` },
    pick: ({ kind, apiVersion, items }) => ({ kind, apiVersion, items: items.map(sorted) }),
  })
  assert.equal(core.headers['content-type'], aggregated)
  assert.equal(core.headers['vary'], 'Accept')
  const groups = await c.get('/apis', {
    headers: { accept: `${aggregated},application/json` },
    pick: ({ items }) => items.filter(({ metadata }: any) => metadata.name === 'apps').map(sorted),
  })
  const tag = groups.headers['etag'] as string
  assert.match(tag, /^"/)
  const headers = { accept: `${aggregated},application/json` }
  const again = await c.get('/api', { headers: { ...headers, 'if-none-match': core.headers['etag'] as string } })
  assert.equal(again.code, 304)
})

contract('a discovery type that is no more falls back to the plain one', async (c) => {
  const beta = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'
  const answer = await c.get('/api', { headers: { accept: `${beta},application/json` }, pick: ({ kind }) => kind })
  assert.equal(answer.body.kind, 'APIVersions')
})

contract('discovery shows a new definition', async (c) => {
  await c.define(
    'Gadget',
    { ...schemaOf({ spec: { type: 'object' } }), subresources: { status: {} } },
    { shortNames: ['gd'], categories: ['all'] },
  )
  await c.until(`/apis/${c.group}/v1`, ({ code, body }) => code === 200 && body.resources.length === 2)
  await c.until(`/apis/${c.group}`, ({ code }) => code === 200)
  await c.until('/apis', ({ body }) => body.items.some(({ metadata }: any) => metadata.name === c.group), {
    headers: { accept: aggregated },
    pick: ({ items }) => items.find(({ metadata }: any) => metadata.name === c.group),
  })
})

contract('what does not exist is told in plain text or as a Status', async (c) => {
  await c.get('/apis/nope.example.com/v1')
  await c.get('/apis/nope.example.com/v1/things')
  await c.get('/apis/apps/v9')
  await c.get('/apis/apps/v9/deployments')
  await c.get('/api/v1/nothings')
  await c.get(c.path('nothings'))
  await c.get('/nowhere')
})

contract('version and health', async (c) => {
  const { body } = await c.get('/version', { pick: (all) => Object.keys(all).sort() })
  assert.match(body.gitVersion, /^v1\.\d+\.\d+/)
  for (const path of ['/healthz', '/livez', '/readyz', '/readyz/ping']) {
    assert.equal((await c.get(path)).text, 'ok')
  }
})

contract('OpenAPI v3 is indexed by group and version, and tells what a client may send', async (c) => {
  const fetched = async (): Promise<Answer> => {
    const index = await c.get('/openapi/v3', { record: false })
    const { serverRelativeURL } = index.body.paths['apis/apps/v1']
    assert.match(serverRelativeURL, /^\/openapi\/v3\/apis\/apps\/v1\?hash=/)
    const answer = await c.get(serverRelativeURL, { record: false, headers: { accept: 'application/json' } })
    // The index may be old already: other cases define kinds meanwhile.
    return answer.code === 301 ? fetched() : answer
  }
  const { body, headers } = await fetched()
  await c.get('/openapi/v3/apis/apps/v1', {
    headers: { accept: 'application/json' },
    pick: ({ components }) => components.schemas['io.k8s.api.apps.v1.DeploymentSpec'],
  })
  assert.match(headers['cache-control'] as string, /immutable/)
  const patch = body.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'].patch
  const names = [...patch.parameters].map(({ name }: any) => name).sort()
  for (const name of ['dryRun', 'fieldManager', 'fieldValidation', 'force']) assert.ok(names.includes(name), name)
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: 'apps', kind: 'Deployment', version: 'v1' })
  const container = body.components.schemas['io.k8s.api.core.v1.PodSpec'].properties.containers
  assert.equal(container['x-kubernetes-patch-merge-key'], 'name')
})

contract('OpenAPI v3 of a definition', async (c) => {
  await c.define(
    'Gadget',
    schemaOf({ spec: { type: 'object', properties: { size: { type: 'integer', default: 3 } } } }),
  )
  const path = `/openapi/v3/apis/${c.group}/v1`
  const { body } = await c.until(path, ({ code }) => code === 200, {
    pick: ({ components }) => {
      const [name, schema]: [string, any] = Object.entries(components.schemas).find(([key]) =>
        key.endsWith('.Gadget'),
      )! as any
      return [name, schema.properties.spec, schema['x-kubernetes-group-version-kind']]
    },
  })
  assert.ok(Object.keys(body.paths).some((path) => path.endsWith('/gadgets/{name}')))
})

function byName(resources: any[]): any[] {
  const plain = resources.map(({ storageVersionHash: _, ...rest }) => ({ ...rest, verbs: [...rest.verbs].sort() }))
  return plain.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function sorted(group: any): any {
  return {
    ...group,
    versions: group.versions.map((version: any) => ({
      ...version,
      resources: [...version.resources].sort((a, b) => (a.resource < b.resource ? -1 : 1)),
    })),
  }
}
