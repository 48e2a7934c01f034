import type { Plugin } from './plugin.ts'

/** LimitRanger and ResourceQuota, where there has ever been a LimitRange or a ResourceQuota. */
export const limitRanges: Plugin = {
  mutate: (rr, attributes) => rr.api.limits.current?.mutate(rr, attributes),
}

/** The last word: what is counted must have been let in by everybody else. */
export const quotas: Plugin = {
  validate: (rr, attributes) => rr.api.limits.current?.validate(rr, attributes),
}
