import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

test('programs of a test that is killed die with it', {
  skip: process.platform !== 'linux' && 'needs Linux',
}, async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'cuddle-processes-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const source = `
    import { createProcesses } from ${JSON.stringify(join(import.meta.dirname, 'processes.ts'))}
    const started = (name, pid) => process.send({ name, pid })
    const processes = createProcesses({ home: ${JSON.stringify(home)}, started })
    processes.start('kube-sleep', ['sleep', '600'])
    setInterval(() => {}, 1000)`
  const parent = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', source], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    cwd: import.meta.dirname,
  })
  t.after(() => parent.kill('SIGKILL'))
  const [{ pid }] = (await once(parent, 'message')) as [{ pid: number }]
  await until(() => commandOf(pid).startsWith('kube-sleep'))
  parent.kill('SIGKILL')
  await until(() => !existsSync(`/proc/${pid}`) || commandOf(pid) === '')
})

/** Empty for a zombie that nobody has waited for. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

async function until(done: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!done()) {
    assert.ok(Date.now() < deadline, 'it never came to be')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
