import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { ConfigMap, type KubeObject, Secret } from '#kube'
import type { CuddleError } from '#lib'
import { controller, manifest, rbacFor, resource } from './index.ts'

const spec = z.object({
  message: z.string().max(200).describe('text to show'),
  copies: z.number().int().min(1).default(1),
  port: z.union([z.string(), z.number().int()]).optional(),
  mode: z.enum(['loud', 'quiet']).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  extra: z.any().optional(),
  free: z.record(z.string(), z.any()).optional(),
  when: z.iso.datetime().nullable().optional(),
  source: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('git'), url: z.string() }),
      z.object({ type: z.literal('image'), ref: z.string() }),
    ])
    .optional(),
})
const Greeting = resource({
  group: 'x.io',
  version: 'v1',
  kind: 'Greeting',
  shortNames: ['gr'],
  spec,
  status: z.object({ ready: z.boolean() }),
  printerColumns: [{ name: 'Ready', type: 'boolean', jsonPath: '.status.ready' }],
  immutableSpec: true,
})

test('one declaration gives the CRD with a structural schema', () => {
  const crd = Greeting.crd()
  assert.equal(crd.metadata.name, 'greetings.x.io')
  const [version] = crd.spec!.versions
  assert.deepEqual(version!.subresources, { status: {} })
  const { properties } = version!.schema!.openAPIV3Schema
  assert.deepEqual(properties.status, {
    type: 'object',
    properties: { ready: { type: 'boolean' } },
    required: ['ready'],
  })
  assert.deepEqual(properties.spec.required, ['message'])
  assert.deepEqual(properties.spec['x-kubernetes-validations'][0].rule, 'self == oldSelf')
  const fields = properties.spec.properties
  assert.deepEqual(fields.message, { type: 'string', maxLength: 200, description: 'text to show' })
  assert.deepEqual(fields.copies, { type: 'integer', minimum: 1, default: 1 })
  assert.deepEqual(fields.port, { 'x-kubernetes-int-or-string': true })
  assert.deepEqual(fields.mode, { type: 'string', enum: ['loud', 'quiet'] })
  assert.deepEqual(fields.labels, { type: 'object', additionalProperties: { type: 'string' } })
  assert.deepEqual(fields.extra, { 'x-kubernetes-preserve-unknown-fields': true })
  assert.deepEqual(fields.free, { type: 'object', 'x-kubernetes-preserve-unknown-fields': true })
  assert.equal(fields.when.nullable, true)
  assert.deepEqual(fields.source, {
    type: 'object',
    required: ['type'],
    properties: {
      type: { type: 'string', enum: ['git', 'image'] },
      url: { type: 'string' },
      ref: { type: 'string' },
    },
  })
})

test('a structural schema holds nothing that an API server refuses', () => {
  const allowed =
    /^(x-kubernetes-|properties$|items$|additionalProperties$|type$|description$|format$|nullable$|default$|enum$|(min|max)(imum|Length)$|pattern$|required$)/
  const visit = (schema: KubeObject[string]) => {
    for (const key of Object.keys(schema)) assert.match(key, allowed)
    assert.ok(schema.type || Object.keys(schema).some((key) => key.startsWith('x-kubernetes-')))
    for (const field of Object.values(schema.properties ?? {})) visit(field)
    if (schema.items) visit(schema.items)
    if (schema.additionalProperties) visit(schema.additionalProperties)
  }
  visit(Greeting.crd().spec!.versions[0]!.schema!.openAPIV3Schema)
})

test('parse fills defaults in, and lists every problem', () => {
  const object = { apiVersion: 'x.io/v1', kind: 'Greeting', metadata: { name: 'a' }, spec: { message: 'hi' } }
  const parsed = Greeting.parse(object)
  const copies: number = parsed.spec.copies
  assert.equal(copies, 1)
  assert.throws(
    () => Greeting.parse({ ...object, kind: 'Other', spec: { copies: 0 } }),
    ({ code, details }: CuddleError) => {
      assert.equal(code, 'invalid-object')
      assert.deepEqual(
        details.map((line) => line.slice(0, line.indexOf(':'))),
        ['apiVersion, kind', 'spec.message', 'spec.copies'],
      )
      return true
    },
  )
})

test('RBAC falls out of what controllers declare', () => {
  const greeter = controller(Greeting, { owns: [ConfigMap], reads: [Secret] })
  assert.deepEqual(rbacFor([greeter]), [
    {
      apiGroups: [''],
      resources: ['configmaps'],
      verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
    },
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['x.io'], resources: ['greetings'], verbs: ['get', 'list', 'patch', 'update', 'watch'] },
    { apiGroups: ['x.io'], resources: ['greetings/finalizers'], verbs: ['update'] },
    { apiGroups: ['x.io'], resources: ['greetings/status'], verbs: ['get', 'patch', 'update'] },
  ])
  const objects = manifest({
    name: 'greeter',
    namespace: 'ops',
    image: 'greeter:1',
    controllers: [greeter],
    crds: [Greeting.crd()],
  })
  assert.deepEqual(
    objects.map(({ kind }) => kind),
    [
      'Namespace',
      'CustomResourceDefinition',
      'ServiceAccount',
      'ClusterRole',
      'ClusterRoleBinding',
      'Role',
      'RoleBinding',
      'Deployment',
    ],
  )
})
