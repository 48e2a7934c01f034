import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distributionFlags } from './distribution.ts'

test('a node with a fixed distribution port listens on its own pod address', () => {
  assert.equal(
    distributionFlags('-start_epmd false -erl_epmd_port 9100', '127.64.0.1'),
    '-start_epmd false -erl_epmd_port 9100 -kernel inet_dist_use_interface {127,64,0,1}',
  )
})

test('other flags stay as they are', () => {
  for (const flags of [
    '',
    '+sbwt none',
    '-erl_epmd_portable 1',
    '-erl_epmd_port 9100 -kernel inet_dist_use_interface {0,0,0,0}',
  ])
    assert.equal(distributionFlags(flags, '127.64.0.1'), flags)
  assert.equal(distributionFlags('-erl_epmd_port 9100', 'fd00::1'), '-erl_epmd_port 9100')
})
