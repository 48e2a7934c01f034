import assert from 'node:assert/strict'
import { extensionServer, registration } from '../../../src/cluster/api/aggregation/testing.ts'
import { contract } from '../case.ts'
import type { Client } from '../client.ts'

const quiet = { record: false }
const services = '/apis/apiregistration.k8s.io/v1/apiservices'

/** An extension server for the case's own group, with what ends it. */
async function extension(c: Client) {
  const endings: (() => void | Promise<void>)[] = []
  const server = await extensionServer({ after: (fn) => endings.push(fn) }, `flunder.${c.ns}.svc`, c.group)
  const end = async () => {
    for (const ending of endings) await ending()
  }
  return { server, end, ...registration(c.group, c.ns, server) }
}

/** Waits for a reason of the Available condition, and records what is said of it; messages name ports and errors of Go. */
async function available(c: Client, reason: string): Promise<void> {
  const condition = (body: any) => body.status?.conditions?.[0]
  await c.until(`${services}/v1.${c.group}`, ({ body }) => condition(body)?.reason === reason, {
    pick: (body) => ({ ...condition(body), message: undefined, lastTransitionTime: undefined }),
  })
}

contract('a group that an APIService gives to another server', async (c) => {
  const { server, end, service, apiService } = await extension(c)
  try {
    c.later(`${services}/v1.${c.group}`)
    const { status, metadata, spec } = (await c.post(services, apiService, quiet)).body
    assert.deepEqual([status.conditions, metadata.name, spec.service.name], [undefined, `v1.${c.group}`, 'flunder'])
    await available(c, 'ServiceNotFound')
    const root = `/apis/${c.group}/v1/namespaces/${c.ns}/flunders`
    await c.until(root, ({ code }) => code === 503)
    await c.post(c.path('services'), service, quiet)
    await available(c, 'Passed')
    await c.until(`/apis/${c.group}/v1`, ({ code }) => code === 200)
    await c.get(`/apis/${c.group}`)
    const pick = ({ method, url, body }: any) => ({ method, url, body })
    await c.until(`${root}/a?x=1&y=%2F`, ({ code }) => code === 200, { pick })
    await c.post(root, { hello: 'there' }, { pick })
    await c.get(`${root}/a`, { headers: { 'x-remote-user': 'forged', authorization: '' }, pick })
    // Aggregators look at their servers now and then as well.
    const last = server.seen.findLast(({ url }) => url === `${root}/a`)!
    assert.notEqual(last.headers['x-remote-user'], 'forged')
    assert.match(String(last.headers['x-remote-group']), /system:authenticated/)
    await c.get(`/apis/${c.group}/v2`)
    const stranger = await c.get(root, { anonymous: true })
    assert.equal(stranger.code, 403)
  } finally {
    await end()
  }
})

contract('aggregated discovery holds what another server serves', async (c) => {
  const { end, service, apiService } = await extension(c)
  try {
    c.later(`${services}/v1.${c.group}`)
    await c.post(c.path('services'), service, quiet)
    await c.post(services, apiService, quiet)
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    const ours = (body: any) => body?.items?.find(({ metadata }: any) => metadata?.name === c.group)
    await c.until('/apis', ({ body }) => ours(body)?.versions[0].resources?.length > 0, {
      headers: { accept },
      pick: ours,
    })
  } finally {
    await end()
  }
})

contract('an APIService that cannot be', async (c) => {
  const good = registration(c.group, c.ns, { port: 443, ca: 'x' }).apiService
  const spec = (more: object) => ({ ...good, spec: { ...good.spec, ...more } })
  const dry = `${services}?dryRun=All`
  await c.post(dry, { ...good, metadata: { name: 'other' } })
  await c.post(dry, spec({ groupPriorityMinimum: 0 }))
  await c.post(dry, spec({ versionPriority: 1001 }))
  await c.post(dry, spec({ insecureSkipTLSVerify: true }))
  await c.post(dry, spec({ service: { namespace: c.ns } }))
  await c.post(dry, spec({ service: undefined }))
})
