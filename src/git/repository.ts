import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CuddleError } from '#lib'
import { isAppName } from './names.ts'

/**
 * The hook that hands a push over: what is to be updated goes out on descriptor 3, what comes in on 4 is printed (git
 * shows it as `remote: …`) until the verdict. Only builtins of sh, so that it costs one small process. When the
 * platform goes away the read fails, and the push is refused.
 */
const preReceive = `#!/bin/sh
# Written by Cuddle; changes are overwritten.
{
  while read -r old new ref; do printf 'ref %s %s %s\\n' "$old" "$new" "$ref"; done
  printf 'env GIT_OBJECT_DIRECTORY %s\\n' "$GIT_OBJECT_DIRECTORY"
  printf 'env GIT_ALTERNATE_OBJECT_DIRECTORIES %s\\n' "$GIT_ALTERNATE_OBJECT_DIRECTORIES"
  printf 'env GIT_QUARANTINE_PATH %s\\n' "$GIT_QUARANTINE_PATH"
  count=\${GIT_PUSH_OPTION_COUNT:-0} index=0
  while [ "$index" -lt "$count" ]; do
    eval "printf 'option %s\\\\n' \\"\\$GIT_PUSH_OPTION_$index\\""
    index=$((index + 1))
  done
  printf 'end\\n'
} >&3
while IFS= read -r line; do
  case $line in
    '>'*) printf '%s\\n' "\${line#>}" ;;
    exit\\ *) exit "\${line#exit }" ;;
  esac
done <&4
printf 'the platform went away while it worked on the push\\n'
exit 1
`

/** Old histories carry these; they are harmless, and refusing them would only keep old repositories out. */
const toleratedFaults = [
  'zeroPaddedFilemode',
  'badTimezone',
  'missingSpaceBeforeDate',
  'missingNameBeforeEmail',
  'missingSpaceBeforeEmail',
  'missingEmail',
  'badDateOverflow',
]

function config(maxPackBytes: number): string {
  return [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = true',
    '\tlogAllRefUpdates = true',
    '[gc]',
    '\tauto = 0',
    '[receive]',
    '\tautogc = false',
    '\tadvertisePushOptions = true',
    '\tshallowUpdate = true',
    '\tdenyNonFastForwards = false',
    '\tfsckObjects = true',
    `\tmaxInputSize = ${maxPackBytes}`,
    ...toleratedFaults.map((fault) => `[receive "fsck"]\n\t${fault} = ignore`),
    '[uploadpack]',
    '\tallowAnySHA1InWant = false',
    '[transfer]',
    '\thideRefs = refs/cuddle',
    '',
  ].join('\n')
}

/** Where an app's repository is. Throws for names that are no app names. */
export function repositoryPath(root: string, app: string): string {
  if (!isAppName(app)) throw new CuddleError('InvalidName', `invalid app name ${JSON.stringify(app)}`)
  return join(root, `${app}.git`)
}

/**
 * Makes the bare repository when it is missing, and puts its config and hook right. Written file by file, as
 * gitrepository-layout has it: no process is started and no template of the machine gets in.
 */
export async function ensureRepository(root: string, app: string, maxPackBytes: number): Promise<string> {
  const path = repositoryPath(root, app)
  for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'hooks', 'info'])
    await mkdir(join(path, folder), { recursive: true })
  await writeWhenDifferent(join(path, 'config'), config(maxPackBytes))
  await writeWhenDifferent(join(path, 'hooks/pre-receive'), preReceive, 0o755)
  if ((await read(join(path, 'HEAD'))) === undefined) await replace(join(path, 'HEAD'), 'ref: refs/heads/main\n')
  return path
}

export async function removeRepository(root: string, app: string): Promise<void> {
  await rm(repositoryPath(root, app), { recursive: true, force: true, maxRetries: 3 })
}

/** The object that a ref names: its own file, else the packed-refs file. Undefined when there is no such ref. */
export async function readRef(path: string, ref: string): Promise<string | undefined> {
  const loose = (await read(join(path, ref)))?.trim()
  if (loose !== undefined && /^[0-9a-f]{40,64}$/.test(loose)) return loose
  const packed = (await read(join(path, 'packed-refs'))) ?? ''
  for (const line of packed.split('\n')) if (line.endsWith(` ${ref}`) && line[0] !== '#') return line.split(' ')[0]
  return undefined
}

/** Lets HEAD name the branch, so that a clone checks it out. */
export async function pointHead(path: string, ref: string): Promise<void> {
  await replace(join(path, 'HEAD'), `ref: ${ref}\n`)
}

export const zeroId = /^0+$/

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR') return undefined
    throw error
  }
}

async function writeWhenDifferent(path: string, text: string, mode = 0o644): Promise<void> {
  if ((await read(path)) === text) return
  await replace(path, text, mode)
}

async function replace(path: string, text: string, mode = 0o644): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, text, { mode })
  await chmod(temporary, mode)
  await rename(temporary, path)
}
