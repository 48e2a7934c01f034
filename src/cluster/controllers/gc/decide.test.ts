import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap, Deployment, type OwnerReference, Pod, ReplicaSet, type ResourceType } from '#kube'
import { decide } from './decide.ts'
import { Graph } from './graph.ts'

function object(type: ResourceType<any>, name: string, metadata: Record<string, any> = {}) {
  return { apiVersion: 'v1', kind: type.kind, metadata: { name, namespace: 'shop', uid: name, ...metadata } }
}

function by(type: ResourceType<any>, name: string, blockOwnerDeletion = true): OwnerReference {
  const apiVersion = type.group ? `${type.group}/${type.version}` : type.version
  return { apiVersion, kind: type.kind, name, uid: name, controller: true, blockOwnerDeletion }
}

const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z' }
const absent = () => true
const present = () => false

function world(...objects: [ResourceType<any>, ReturnType<typeof object>][]): Graph {
  const graph = new Graph()
  for (const [type, each] of objects) graph.set(type, each)
  return graph
}

test('an object whose only owner is gone is deleted; one with another owner only loses the reference', () => {
  const graph = world(
    [ReplicaSet, object(ReplicaSet, 'rs')],
    [Pod, object(Pod, 'lost', { ownerReferences: [by(ReplicaSet, 'gone')] })],
    [Pod, object(Pod, 'shared', { ownerReferences: [by(ReplicaSet, 'gone'), by(ReplicaSet, 'rs')] })],
  )
  assert.deepEqual(decide(graph.nodes.get('lost')!, graph, absent), {
    do: 'delete',
    policy: 'Background',
    unblock: false,
  })
  assert.deepEqual(decide(graph.nodes.get('shared')!, graph, absent), { do: 'dropOwners', uids: ['gone'] })
})

test('an owner that the graph does not know but the server does keeps its dependents', () => {
  const graph = world([Pod, object(Pod, 'p', { ownerReferences: [by(ReplicaSet, 'new')] })])
  assert.equal(decide(graph.nodes.get('p')!, graph, present).do, 'nothing')
})

test('the same uid under another name, kind or namespace is no owner', () => {
  const graph = world(
    [ReplicaSet, object(ReplicaSet, 'rs')],
    [ReplicaSet, object(ReplicaSet, 'far', { namespace: 'other' })],
    [Pod, object(Pod, 'a', { ownerReferences: [{ ...by(ReplicaSet, 'rs'), name: 'else' }] })],
    [Pod, object(Pod, 'b', { ownerReferences: [by(ReplicaSet, 'far')] })],
  )
  assert.equal(decide(graph.nodes.get('a')!, graph, absent).do, 'delete')
  assert.equal(decide(graph.nodes.get('b')!, graph, absent).do, 'delete')
})

test('removing an owner names its dependents, whichever came first', () => {
  const graph = world(
    [Pod, object(Pod, 'p', { ownerReferences: [by(ReplicaSet, 'rs')] })],
    [ReplicaSet, object(ReplicaSet, 'rs', { ownerReferences: [by(Deployment, 'd')] })],
  )
  assert.deepEqual(graph.remove('rs'), ['p'])
})

test('foreground: dependents that block go first, then the owner is released', () => {
  const owner = object(ReplicaSet, 'rs', { ...deleting, finalizers: ['foregroundDeletion'] })
  const graph = world(
    [ReplicaSet, owner],
    [Pod, object(Pod, 'blocking', { ownerReferences: [by(ReplicaSet, 'rs')] })],
    [Pod, object(Pod, 'loose', { ownerReferences: [by(ReplicaSet, 'rs', false)] })],
  )
  assert.equal(decide(graph.nodes.get('rs')!, graph, present).do, 'nothing')
  assert.equal(decide(graph.nodes.get('blocking')!, graph, present).do, 'delete')
  assert.deepEqual(graph.remove('blocking'), ['rs'])
  assert.equal(decide(graph.nodes.get('rs')!, graph, present).do, 'release')
})

test('foreground through three levels deletes the middle in the foreground too', () => {
  const graph = world(
    [Deployment, object(Deployment, 'd', { ...deleting, finalizers: ['foregroundDeletion'] })],
    [ReplicaSet, object(ReplicaSet, 'rs', { ownerReferences: [by(Deployment, 'd')] })],
    [Pod, object(Pod, 'p', { ownerReferences: [by(ReplicaSet, 'rs')] })],
  )
  assert.deepEqual(decide(graph.nodes.get('rs')!, graph, present), {
    do: 'delete',
    policy: 'Foreground',
    unblock: false,
  })
})

test('a circle of owners does not wait for itself', () => {
  const graph = world(
    [
      ConfigMap,
      object(ConfigMap, 'a', {
        ...deleting,
        finalizers: ['foregroundDeletion'],
        ownerReferences: [by(ConfigMap, 'b')],
      }),
    ],
    [ConfigMap, object(ConfigMap, 'b', { ownerReferences: [by(ConfigMap, 'a')] })],
  )
  assert.deepEqual(decide(graph.nodes.get('b')!, graph, present), { do: 'delete', policy: 'Foreground', unblock: true })
})

test('orphan: the dependents are to be let go before the owner', () => {
  const graph = world(
    [ReplicaSet, object(ReplicaSet, 'rs', { ...deleting, finalizers: ['orphan'] })],
    [Pod, object(Pod, 'p', { ownerReferences: [by(ReplicaSet, 'rs')] })],
  )
  const decision = decide(graph.nodes.get('rs')!, graph, present)
  assert.ok(decision.do === 'orphanDependents')
  assert.deepEqual(
    decision.dependents.map(({ uid }) => uid),
    ['p'],
  )
})
