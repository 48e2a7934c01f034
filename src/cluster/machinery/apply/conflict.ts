import type { ApplyConflict } from './apply.ts'

/** The 409 that the API server answers for conflicts of an apply: its message and details.causes. */
export function conflictStatus(conflicts: ApplyConflict[]): {
  message: string
  causes: { reason: 'FieldManagerConflict'; message: string; field: string }[]
} {
  const causes = conflicts.flatMap((conflict) =>
    conflict.fields.map((field) => ({
      reason: 'FieldManagerConflict' as const,
      message: `conflict with ${managerText(conflict)}`,
      field,
    })),
  )
  if (causes.length === 1)
    return { message: `Apply failed with 1 conflict: ${causes[0].message}: ${causes[0].field}`, causes }
  const parts = conflicts.map((conflict) => {
    const plural = `conflicts with ${managerText(conflict)}:`
    return [plural, ...conflict.fields.map((field) => `- ${field}`)].join('\n')
  })
  return { message: `Apply failed with ${causes.length} conflicts: ${parts.join('\n')}`, causes }
}

function managerText(conflict: ApplyConflict): string {
  let text = JSON.stringify(conflict.manager)
  if (conflict.subresource) text += ` with subresource ${JSON.stringify(conflict.subresource)}`
  if (conflict.apiVersion) text += ` using ${conflict.apiVersion}`
  return text
}
