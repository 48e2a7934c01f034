import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { advertisedRefs, capabilitiesIn } from './advertisement.ts'
import { isAncestor } from './ancestry.ts'
import { ensureRepository } from './repository.ts'

const env = {
  PATH: process.env.PATH!,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
}

test('lists the refs exactly as git does: none, loose, nested, packed, both, tags', async (t) => {
  const gitDir = await ensureRepository(temporaryDirectory(t), 'shop', 1000)
  const git = (...args: string[]) => execFileSync('git', args, { cwd: gitDir, env, encoding: 'utf8' }).trim()
  const same = async () => {
    const theirs = execFileSync('git', ['receive-pack', '--stateless-rpc', '--advertise-refs', '.'], {
      cwd: gitDir,
      env,
    })
    assert.equal(await advertisedRefs(gitDir, capabilitiesIn(theirs)!), theirs.toString())
  }
  await same()
  const tree = git('mktree')
  const one = git('commit-tree', tree, '-m', 'one')
  const two = git('commit-tree', tree, '-p', one, '-m', 'two')
  git('update-ref', 'refs/heads/main', one)
  git('update-ref', 'refs/heads/feature/a.b', one)
  git('update-ref', 'refs/cuddle/release-1', one)
  git('tag', '-a', 'v1', '-m', 'v1', one)
  await same()
  git('pack-refs', '--all')
  await same()
  git('update-ref', 'refs/heads/main', two)
  await same()
  git('symbolic-ref', 'refs/heads/alias', 'refs/heads/main')
  assert.equal(await advertisedRefs(gitDir, 'x'), undefined)
})

test('knows whether a commit is part of the history of another, loose or packed', async (t) => {
  const gitDir = await ensureRepository(join(temporaryDirectory(t)), 'shop', 1000)
  const git = (...args: string[]) => execFileSync('git', args, { cwd: gitDir, env, encoding: 'utf8' }).trim()
  const tree = git('mktree')
  const one = git('commit-tree', tree, '-m', 'one')
  const two = git('commit-tree', tree, '-p', one, '-m', 'two')
  const three = git('commit-tree', tree, '-p', two, '-m', 'three')
  const side = git('commit-tree', tree, '-p', one, '-m', 'side')
  const merge = git('commit-tree', tree, '-p', side, '-p', three, '-m', 'merge')
  const options = { gitDir, env }
  for (const packed of [false, true]) {
    assert.equal(await isAncestor(one, three, options), true)
    assert.equal(await isAncestor(three, one, options), false)
    assert.equal(await isAncestor(side, three, options), false)
    assert.equal(await isAncestor(two, merge, options), true)
    if (packed) break
    for (const [index, id] of [merge].entries()) git('update-ref', `refs/heads/b${index}`, id)
    git('repack', '-adq')
  }
  assert.equal(await isAncestor('1'.repeat(40), three, options), undefined)
})
