import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from '../command.ts'

export default {
  summary: 'Prints the versions of Cuddle and of the Node that runs it.',
  examples: ['cuddle version', 'cuddle version --json'],
  async run({ out, root }) {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const versions = { cuddle: version, node: process.versions.node, kubernetes: 'v1.36' }
    if (out.json) out.data(versions)
    else out.print(`cuddle ${version} (Kubernetes API ${versions.kubernetes}, Node ${versions.node})`)
    return 0
  },
} satisfies Command
