import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HotStatus } from '../kinds.ts'
import { hotLines } from './lines.ts'

test('a pod that could not go back is named with what stays new there', () => {
  const problem = 'Elixir.Shop.Cart stays new: 2 processes run the code before it'
  const record = { restarts: 0, loaded: false }
  const hot: HotStatus = {
    state: 'aborted',
    from: 3,
    changed: ['Elixir.Shop.Cart'],
    pods: [
      { ...record, pod: 'shop-web-0', uid: 'a' },
      { ...record, pod: 'shop-web-1', uid: 'b', left: 'replaced', problems: [problem] },
    ],
  }
  assert.deepEqual(hotLines(hot, 'v4').slice(2), [
    '       taken back: every process of the other pods has its old code and state',
    '       ✗ shop-web-1  may be neither old nor new, and is replaced by a new pod with v3',
    `         ${problem}`,
  ])
})
