import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definition, jsonPatch, mergePatch, PatchError, strategicMergePatch } from '../index.ts'

test('JSON patch: the operations of RFC 6902', () => {
  for (const [doc, operations, want] of [
    [
      { a: 1 },
      [
        { op: 'add', path: '/b', value: { c: [] } },
        { op: 'add', path: '/b/c/-', value: 2 },
      ],
      { a: 1, b: { c: [2] } },
    ],
    [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1, 2] }, [{ op: 'remove', path: '/a/0' }], { a: [2] }],
    [{ a: 1 }, [{ op: 'replace', path: '/a', value: null }], { a: null }],
    [{ a: { b: 1 } }, [{ op: 'move', from: '/a/b', path: '/c' }], { a: {}, c: 1 }],
    [{ a: [1] }, [{ op: 'copy', from: '/a', path: '/b' }], { a: [1], b: [1] }],
    [{ 'x/y': { '~': 1 } }, [{ op: 'test', path: '/x~1y/~0', value: 1 }], { 'x/y': { '~': 1 } }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
  ] as [any, any[], any][]) {
    const before = structuredClone(doc)
    assert.deepEqual(jsonPatch(doc, operations), want)
    assert.deepEqual(doc, before, 'the document itself is left alone')
  }
})

test('JSON patch: what cannot be done is refused with the API server’s codes', () => {
  for (const [operations, code] of [
    [[{ op: 'test', path: '/a', value: 2 }], 422],
    [[{ op: 'remove', path: '/nope' }], 422],
    [[{ op: 'add', path: '/a/b', value: 1 }], 422],
    [[{ op: 'add', path: '/list/7', value: 1 }], 422],
    [[{ op: 'replace', path: '/list/01', value: 1 }], 422],
    [[{ op: 'remove', path: '/constructor' }], 422],
    [[{ op: 'move', from: '/o', path: '/o/x' }], 422],
    [[{ op: 'bogus', path: '/a' }], 422],
    [{ op: 'add' }, 400],
    [['x'], 400],
    [Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 })), 413],
  ] as [any, number][])
    assert.throws(
      () => jsonPatch({ a: 1, list: [1], o: {} }, operations),
      (error) => error instanceof PatchError && error.code === code,
      JSON.stringify(operations).slice(0, 100),
    )
})

test('merge patch: null deletes, lists are replaced, __proto__ is a key', () => {
  assert.deepEqual(mergePatch({ a: 1, b: { c: 1, d: 2 } }, { a: null, b: { c: 3 }, e: { f: null, g: 1 } }), {
    b: { c: 3, d: 2 },
    e: { g: 1 },
  })
  assert.deepEqual(mergePatch({ a: [1, 2] }, { a: [3] }), { a: [3] })
  const patched = mergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'))
  assert.equal(Object.hasOwn(patched, '__proto__'), true)
  assert.equal(({} as any).polluted, undefined)
})

const spec = definition('core.v1.PodSpec')
const container = (name: string, more: any = {}) => ({ name, ...more })

test('strategic merge patch: lists are merged by key, directives are obeyed', () => {
  for (const [what, doc, patch, want] of [
    [
      'merge by name, new items at the end',
      { containers: [container('a', { image: '1' }), container('b')] },
      { containers: [container('b', { image: '2' }), container('c')] },
      { containers: [container('a', { image: '1' }), container('b', { image: '2' }), container('c')] },
    ],
    [
      '$patch: delete',
      { containers: [container('a'), container('b')] },
      { containers: [{ name: 'a', $patch: 'delete' }] },
      { containers: [container('b')] },
    ],
    [
      '$patch: replace in a list',
      { containers: [container('a')] },
      { containers: [container('b'), { $patch: 'replace' }] },
      { containers: [container('b')] },
    ],
    [
      '$patch: replace in a map',
      { securityContext: { runAsUser: 1 } },
      { securityContext: { runAsGroup: 2, $patch: 'replace' } },
      { securityContext: { runAsGroup: 2 } },
    ],
    [
      '$setElementOrder',
      { containers: [container('a'), container('b')] },
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [container('a', { image: '1' })] },
      { containers: [container('b'), container('a', { image: '1' })] },
    ],
    [
      'a list without a key is replaced',
      { tolerations: [{ key: 'a' }] },
      { tolerations: [{ key: 'b' }] },
      { tolerations: [{ key: 'b' }] },
    ],
    [
      '$retainKeys',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/' } }] },
      { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    ],
    ['null deletes', { nodeName: 'a', hostname: 'b' }, { nodeName: null }, { hostname: 'b' }],
    [
      'ports by containerPort',
      { containers: [container('a', { ports: [{ containerPort: 80, name: 'x' }] })] },
      { containers: [container('a', { ports: [{ containerPort: 80, name: 'y' }, { containerPort: 81 }] })] },
      { containers: [container('a', { ports: [{ containerPort: 80, name: 'y' }, { containerPort: 81 }] })] },
    ],
  ] as [string, any, any, any][])
    assert.deepEqual(strategicMergePatch(doc, patch, spec), want, what)
  const meta = definition('meta.v1.ObjectMeta')
  assert.deepEqual(strategicMergePatch({ finalizers: ['a', 'b'] }, { finalizers: ['b', 'c'] }, meta), {
    finalizers: ['a', 'b', 'c'],
  })
  assert.deepEqual(
    strategicMergePatch({ finalizers: ['a', 'b'] }, { '$deleteFromPrimitiveList/finalizers': ['a'] }, meta),
    {
      finalizers: ['b'],
    },
  )
})

test('strategic merge patch: bad patches', () => {
  assert.throws(() => strategicMergePatch({}, { $patch: 'bogus' }, spec), { code: 500 })
  assert.throws(() => strategicMergePatch({}, [], spec), { code: 400 })
  assert.throws(() => strategicMergePatch({ containers: [] }, { containers: [{ image: 'x' }] }, spec), {
    message: /does not contain declared merge key: name/,
  })
})
