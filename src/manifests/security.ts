import type { objects } from '#kube'

/** No name for it in images of ours: any uid but root's does. */
const uid = 1000

/** The *restricted* profile of the Pod Security Standards, and a group that may write to volumes where there are some. */
export function podSecurity(storage: boolean): objects.PodSecurityContext {
  const context: objects.PodSecurityContext = {
    runAsNonRoot: true,
    runAsUser: uid,
    runAsGroup: uid,
    seccompProfile: { type: 'RuntimeDefault' },
  }
  if (!storage) return context
  return { ...context, fsGroup: uid, fsGroupChangePolicy: 'OnRootMismatch' }
}

export function containerSecurity(): objects.SecurityContext {
  return { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }
}
