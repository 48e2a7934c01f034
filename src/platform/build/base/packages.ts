import { CuddleError, exec } from '#lib'

/** What Debian's packages hold, asked of dpkg on this machine. */
export interface Packages {
  /** All paths of these packages, folders included. */
  files(names: readonly string[]): Promise<string[]>
  /** The package that brought each path; paths of none are left out. */
  owners(paths: readonly string[]): Promise<string[]>
  /** Those of the names that are installed. */
  installed(names: readonly string[]): Promise<string[]>
}

/** @throws CuddleError `no-base` where there is no dpkg */
export function debianPackages(path: string | undefined): Packages {
  const query = async (args: readonly string[]) => {
    try {
      // A name that is not known makes the exit code 1; what is known is printed all the same.
      return (await exec('dpkg-query', args, { env: { PATH: path, LC_ALL: 'C' } })).stdout.split('\n')
    } catch (cause) {
      throw new CuddleError(
        'no-base',
        'images for other machines are made from Debian packages, and there is no dpkg',
        {
          hint: 'run the platform on Debian or Ubuntu',
          cause,
        },
      )
    }
  }
  return {
    files: async (names) => (await query(['--listfiles', ...names])).filter((line) => line.startsWith('/')),
    async owners(paths) {
      const lines = await query(['--search', ...paths])
      const names = lines.flatMap((line) => /^([a-z0-9][a-z0-9+.-]*)(?::\w+)?(?:,.*)?: \//.exec(line)?.[1] ?? [])
      return [...new Set(names)].sort()
    },
    async installed(names) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own template
      const lines = await query(['--show', '--showformat=${db:Status-Status} ${Package}\n', ...names])
      return lines.flatMap((line) => /^installed (\S+)$/.exec(line)?.[1] ?? [])
    },
  }
}
