import { appOption, type Command } from '../command.ts'
import { waitOption } from '../follow.ts'
import { changeConfig } from './config-set.ts'

export default {
  summary: 'Removes config vars and rolls that out as a release.',
  usage: 'KEY…',
  positionals: [1, 500],
  options: { ...appOption, ...waitOption },
  examples: ['cuddle config:unset POOL_SIZE'],
  run: (invocation) => changeConfig(invocation, Object.fromEntries(invocation.positionals.map((key) => [key, null]))),
} satisfies Command
