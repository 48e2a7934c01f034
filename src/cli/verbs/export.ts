import { exportObjects, toYaml } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Prints the objects of the current release as plain manifests that live on without Cuddle.',
  options: { ...appOption, secrets: { type: 'boolean', describe: 'with the values of the config vars' } },
  examples: ['cuddle export > app.yaml', 'cuddle export --secrets | kubectl apply -f -'],
  async run(invocation) {
    const { out } = invocation
    const { objects } = await exportObjects(connect(invocation), await appName(invocation), {
      secrets: invocation.values.secrets,
    })
    if (out.json) out.data({ apiVersion: 'v1', kind: 'List', items: objects })
    else out.print(toYaml(objects, { redact: !invocation.values.secrets }).trimEnd())
    return 0
  },
} satisfies Command
