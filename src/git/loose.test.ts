import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { objectFolders, parseCommit, parseTree, readLoose } from './loose.ts'

test('loose commits and trees say what git says of them', (t) => {
  const directory = temporaryDirectory(t)
  const env = { PATH: process.env.PATH, HOME: directory, GIT_CONFIG_NOSYSTEM: '1' }
  const git = (args: string[], input = '') =>
    execFileSync('git', ['-c', 'user.name=Ünï <', '-c', 'user.email=u@example.com', ...args], {
      ...{ cwd: directory, env, input, encoding: 'utf8' },
    }).trimEnd()
  git(['init', '-q', '-b', 'main'])
  writeFileSync(join(directory, 'a b'), '1')
  git(['add', '-A'])
  const folders = objectFolders(join(directory, '.git'))
  const messages = ['One line', '\n\nTwo\nlines  \nof it\n\nand more\n', 'Blank \n  \nnext', 'Ærøskøbing — Größe']
  for (const message of messages) {
    git(['commit', '-q', '--allow-empty', '--cleanup=verbatim', '-F', '-'], message)
    const id = git(['rev-parse', 'HEAD'])
    const facts = parseCommit(readLoose(folders, id, 'commit')!)!
    const said = git(['log', '-1', '--format=%T%n%an <%ae>%n%s']).split('\n')
    assert.deepEqual([facts.tree, facts.author, facts.subject], said)
    const listed = git(['ls-tree', '-z', 'HEAD']).split('\0').filter(Boolean)
    const items = parseTree(readLoose(folders, facts.tree, 'tree')!)
    assert.deepEqual(
      items.map(({ mode, name, id }) => `${mode} blob ${id}\t${name}`),
      listed,
    )
  }
  git(['-c', 'i18n.commitEncoding=latin1', 'commit', '-q', '--allow-empty', '-m', 'other'])
  const other = readLoose(folders, git(['rev-parse', 'HEAD']), 'commit')
  assert.equal(parseCommit(other!), undefined, 'in another encoding')
  const blob = git(['rev-parse', 'HEAD:a b'])
  assert.equal(readLoose(folders, blob, 'tree'), undefined, 'of another type')
  assert.equal(readLoose(folders, '0'.repeat(40), 'blob'), undefined, 'not there')
  git(['gc', '-q', '--prune=now'])
  assert.equal(readLoose(folders, blob, 'blob'), undefined, 'packed')
})
