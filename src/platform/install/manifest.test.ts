import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { platformManifest } from './index.ts'

const made = platformManifest('cuddle')
const rulesOf = (kind: string): objects.PolicyRule[] => made.find((object) => object.kind === kind)?.['rules'] ?? []

test('the platform gets no right over everything, none over nodes or roles, and makes no pods itself', () => {
  const rules = [...rulesOf('ClusterRole'), ...rulesOf('Role')]
  const all = rules.flatMap(({ apiGroups = [], resources = [], verbs }) => [...apiGroups, ...resources, ...verbs])
  assert.equal(all.includes('*'), false)
  const resources = new Set(rules.flatMap((rule) => rule.resources ?? []))
  for (const foreign of ['nodes', 'clusterroles', 'rolebindings', 'customresourcedefinitions', 'pods/exec'])
    assert.equal(resources.has(foreign), false, foreign)
  const ofPods = rules.filter((rule) => rule.resources?.includes('pods')).flatMap((rule) => rule.verbs)
  assert.deepEqual(ofPods.sort(), ['delete', 'get', 'list', 'patch', 'watch'])
})

test('it may renew the token of its own account and of no other', () => {
  const renewal = rulesOf('Role').filter((rule) => rule.resources?.includes('serviceaccounts/token'))
  assert.deepEqual(
    renewal.map(({ resourceNames, verbs }) => [resourceNames, verbs]),
    [[['cuddle'], ['create']]],
  )
})

test('the objects run nothing in the cluster', () => {
  assert.deepEqual(
    made.map(({ kind }) => kind),
    [
      'Namespace',
      ...['CustomResourceDefinition', 'CustomResourceDefinition', 'CustomResourceDefinition'],
      ...['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding', 'IngressClass'],
    ],
  )
})

test('only with metrics it may register an API, by those names', () => {
  const apis = (all: typeof made) =>
    all
      .flatMap((object): objects.PolicyRule[] => object['rules'] ?? [])
      .filter((rule) => rule.resources?.includes('apiservices') && !rule.verbs.includes('create'))
      .flatMap((rule) => rule.resourceNames)
  assert.deepEqual(apis(made), [])
  const names = ['v1beta2.custom.metrics.k8s.io', 'v1beta1.custom.metrics.k8s.io', 'v1.signals.cuddle.dev']
  assert.deepEqual(apis(platformManifest('cuddle', { metrics: true })), names)
})
