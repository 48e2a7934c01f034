import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { builtinResources, openapiV2, openapiV2Protobuf, openapiV3, resourceFromCrd } from '../index.ts'

const widgets = resourceFromCrd(
  {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          subresources: { status: {}, scale: { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n' } },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', description: 'what', properties: { n: { type: 'integer', nullable: true } } },
              },
            },
          },
        },
      ],
    },
  },
  'v1',
)

function references(value: any, found = new Set<string>()): Set<string> {
  if (typeof value !== 'object' || value === null) return found
  if (typeof value.$ref === 'string') found.add(value.$ref)
  for (const item of Object.values(value)) references(item, found)
  return found
}

test('a v3 document has what kubectl looks for, and every reference leads somewhere', () => {
  for (const group of ['', 'apps', 'apiextensions.k8s.io', 'autoscaling']) {
    const document = openapiV3(builtinResources().filter((info) => info.group === group))
    for (const pointer of references(document)) {
      const name = pointer.replace('#/components/schemas/', '')
      assert.ok(document.components.schemas[name]?.type || document.components.schemas[name], pointer)
    }
  }
  const { paths, components } = openapiV3(builtinResources().filter((info) => info.group === 'apps'))
  const { patch } = paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']
  assert.deepEqual(
    patch.parameters.map((parameter: any) => parameter.name),
    ['dryRun', 'fieldManager', 'fieldValidation', 'force'],
  )
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: 'apps', kind: 'Deployment', version: 'v1' })
  assert.equal(patch['x-kubernetes-action'], 'patch')
  assert.ok(paths['/apis/apps/v1/deployments'].get)
  const { 'io.k8s.api.apps.v1.Deployment': deployment, 'io.k8s.api.core.v1.PodSpec': pod } = components.schemas
  assert.deepEqual(deployment['x-kubernetes-group-version-kind'], [
    { group: 'apps', kind: 'Deployment', version: 'v1' },
  ])
  assert.deepEqual(pod.properties.containers, {
    type: 'array',
    items: { $ref: '#/components/schemas/io.k8s.api.core.v1.Container' },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge',
  })
})

test('custom resources are described by their own schema', () => {
  const v3 = openapiV3([widgets])
  assert.deepEqual(Object.keys(v3.paths), [
    '/apis/example.com/v1/namespaces/{namespace}/widgets',
    '/apis/example.com/v1/widgets',
    '/apis/example.com/v1/namespaces/{namespace}/widgets/{name}',
    '/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status',
    '/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale',
  ])
  const schema = v3.components.schemas['com.example.v1.Widget']
  assert.equal(schema.properties.spec.description, 'what')
  assert.equal(schema.properties.spec.properties.n.nullable, true)
  assert.deepEqual(schema['x-kubernetes-group-version-kind'], [{ group: 'example.com', kind: 'Widget', version: 'v1' }])
  const v2 = openapiV2([widgets]).definitions['com.example.v1.Widget']
  assert.deepEqual(v2.properties.spec.properties.n, {})
})

test('the v2 document encodes as gnostic’s protobuf', () => {
  const { root } = protobuf.parse(
    `syntax = "proto3";
    message Document { string swagger = 1; Info info = 2; Paths paths = 8; Definitions definitions = 9; }
    message Info { string title = 1; string version = 2; }
    message Paths { repeated NamedPathItem path = 2; }
    message NamedPathItem { string name = 1; PathItem value = 2; }
    message PathItem { Operation get = 2; Operation patch = 8; }
    message Operation { repeated string consumes = 7; repeated ParametersItem parameters = 8; repeated NamedAny vendor_extension = 13; }
    message ParametersItem { Parameter parameter = 1; }
    message Parameter { BodyParameter body_parameter = 1; NonBodyParameter non_body_parameter = 2; }
    message BodyParameter { string name = 2; string in = 3; bool required = 4; }
    message NonBodyParameter { Query query_parameter_sub_schema = 3; }
    message Query { bool required = 1; string in = 2; string name = 4; string type = 6; bool unique_items = 20; }
    message Definitions { repeated NamedSchema additional_properties = 1; }
    message NamedSchema { string name = 1; Schema value = 2; }
    message Schema { string _ref = 1; string format = 2; string description = 4; repeated string required = 19; Extra additional_properties = 21; Type type = 22; Items items = 23; Definitions properties = 25; repeated NamedAny vendor_extension = 31; }
    message Extra { Schema schema = 1; }
    message Type { repeated string value = 1; }
    message Items { repeated Schema schema = 1; }
    message NamedAny { string name = 1; Any value = 2; }
    message Any { string yaml = 2; }`,
    { keepCase: true },
  )
  const swagger = openapiV2([...builtinResources(), widgets])
  const document: any = root.lookupType('Document').decode(openapiV2Protobuf(swagger))
  assert.deepEqual({ ...document.info }, swagger.info)
  const names = document.definitions.additional_properties.map((item: any) => item.name)
  assert.deepEqual(names, Object.keys(swagger.definitions))
  const back = (schema: any): any => ({
    ...(schema._ref && { $ref: schema._ref }),
    ...(schema.type && { type: schema.type.value[0] }),
    ...(schema.description && { description: schema.description }),
    ...(schema.format && { format: schema.format }),
    ...(schema.properties && {
      properties: Object.fromEntries(
        schema.properties.additional_properties.map((item: any) => [item.name, back(item.value)]),
      ),
    }),
    ...(schema.items && { items: back(schema.items.schema[0]) }),
    ...(schema.additional_properties && { additionalProperties: back(schema.additional_properties.schema) }),
    ...(schema.required.length > 0 && { required: schema.required }),
    ...Object.fromEntries(schema.vendor_extension.map((item: any) => [item.name, JSON.parse(item.value.yaml)])),
  })
  for (const item of document.definitions.additional_properties)
    assert.deepEqual(back(item.value), swagger.definitions[item.name], item.name)
  const path = document.paths.path.find((item: any) => item.name === '/api/v1/namespaces/{namespace}/pods/{name}')
  const parameters = path.value.patch.parameters.map(
    ({ parameter }: any) => (parameter.body_parameter ?? parameter.non_body_parameter.query_parameter_sub_schema).name,
  )
  assert.deepEqual(parameters, ['body', 'dryRun', 'fieldManager', 'fieldValidation', 'force'])
})
