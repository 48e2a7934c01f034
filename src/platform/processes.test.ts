import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf } from './processes.ts'

const release = (number: number, image: string, phase: string, loadedInto: string[] = []): any => ({
  spec: { number, image },
  status: { phase, hot: { pods: loadedInto.map((uid) => ({ uid, restarts: 0, loaded: true })) } },
})
const pod = (uid: string, image: string): any => ({
  metadata: { uid },
  spec: { containers: [{ image }] },
  status: { containerStatuses: [{ restartCount: 0 }] },
})

test('a pod runs the release of its image, or the one whose code was loaded since', () => {
  const releases = [release(2, 'b', 'Succeeded', ['p']), release(1, 'a', 'Succeeded')]
  assert.deepEqual(codeOf(pod('p', 'a'), releases), { release: 2, hot: true })
  assert.deepEqual(codeOf(pod('q', 'a'), releases), { release: 1, hot: false })
  assert.deepEqual(codeOf(pod('q', 'c'), releases), { hot: false })
})

test('a release that failed is named only where no other has that code', () => {
  const resized = [release(3, 'b', 'Failed', ['p']), release(2, 'b', 'Succeeded', ['p'])]
  assert.deepEqual(codeOf(pod('p', 'a'), resized), { release: 2, hot: true })
  assert.deepEqual(codeOf(pod('q', 'b'), resized), { release: 2, hot: false })
  const leaving = [release(3, 'c', 'Failed'), release(2, 'b', 'Succeeded')]
  assert.deepEqual(codeOf(pod('q', 'c'), leaving), { release: 3, hot: false })
})
