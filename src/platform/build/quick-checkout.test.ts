import assert from 'node:assert/strict'
import { chmodSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listTree } from '#image'
import { temporaryDirectory } from '#lib/testing'
import { checkOut, removeLeftovers } from './checkout.ts'
import type { Checkout } from './quick-checkout.ts'
import { Repository } from './testing.ts'
import { openWorkspace } from './workspace.ts'

/** A repository, and a workspace into which its commits are checked out one after the other. */
function world(t: TestContext) {
  const repository = new Repository(t).write({ 'mix.exs': '1', 'lib/a.ex': 'a', 'lib/deep/b.ex': 'b', 'bin/run': '' })
  const workspace = openWorkspace(temporaryDirectory(t), 'shop')
  let last: Checkout | undefined
  const take = async (path: string | undefined) => {
    const source = { gitDir: join(repository.directory, '.git'), commit: repository.commit() }
    last = await checkOut(workspace, source, path, last)
    removeLeftovers(workspace.src, last.listing)
    const fresh = openWorkspace(temporaryDirectory(t), 'shop')
    const { listing } = await checkOut(fresh, source, process.env.PATH, undefined)
    assert.deepEqual([...last.listing], [...listing])
    assert.deepEqual(filesOf(workspace.src), filesOf(fresh.src))
  }
  // Where there is no git, it was not needed.
  return { repository, src: workspace.src, slow: () => take(process.env.PATH), quick: () => take('/nowhere') }
}

function filesOf(directory: string): string[] {
  return listTree(directory).map(({ path, kind }) => {
    const file = join(directory, path)
    return kind === 'file' ? `${path} ${lstatSync(file).mode & 0o777} ${readFileSync(file, 'utf8')}` : path
  })
}

test('a small change is checked out without git, and is what git would have written', async (t) => {
  const { repository, slow, quick } = world(t)
  await slow()
  repository.write({ 'lib/a.ex': 'other', 'lib/new/c.ex': 'c' })
  await quick()
  repository.remove('lib/deep')
  chmodSync(join(repository.directory, 'bin/run'), 0o755)
  await quick()
  repository.remove('lib/new').write({ 'lib/new': 'a file now', 'lib/deep/b.ex/d.ex': 'a folder now' })
  await quick()
  await quick()
})

test('git does what is not surely as simple: links, attributes, packed objects, files that a build has changed', async (t) => {
  const { repository, src, slow, quick } = world(t)
  const refused = () => assert.rejects(quick, /git|ENOENT/)
  await slow()
  symlinkSync('a.ex', join(repository.directory, 'lib/link.ex'))
  await refused()
  await slow()
  repository.write({ 'lib/a.ex': 'again' })
  await quick()
  writeFileSync(join(src, 'mix.exs'), '2')
  repository.write({ 'lib/a.ex': 'and again' })
  await refused()
  await slow()
  repository.write({ '.gitattributes': '*.ex text eol=crlf' })
  await refused()
  await slow()
  repository.remove('.gitattributes')
  await refused()
  await slow()
  repository.write({ 'lib/a.ex': 'packed' }).commit()
  repository.git('gc', '--quiet')
  await slow()
})
