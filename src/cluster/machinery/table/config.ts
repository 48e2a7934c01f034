import { humanAge } from '#lib'
import { type Cell, modes, none } from './cells.ts'
import { created, createdAt, type Printer, type Printers } from './printer.ts'

function bindingCells(object: any, now: number): Cell[] {
  const subjects = (kind: string) =>
    (object.subjects ?? [])
      .filter((subject: any) => subject.kind === kind)
      .map((subject: any) => (kind === 'ServiceAccount' ? `${subject.namespace}/${subject.name}` : subject.name))
      .join(', ')
  const { kind, name } = object.roleRef ?? {}
  return [
    object.metadata.name,
    `${kind}/${name}`,
    created(object, now),
    subjects('User'),
    subjects('Group'),
    subjects('ServiceAccount'),
  ]
}

const binding: Printer = {
  columns: ['Name', 'Role', 'Age', '*Users', '*Groups', '*ServiceAccounts'],
  cells: bindingCells,
}

function csrCondition(status: any): string {
  const types = (status?.conditions ?? []).map((condition: any) => condition.type)
  const shown = ['Denied', 'Approved', 'Failed'].filter((type) => types.includes(type))
  const text = shown.length > 0 ? shown.join(',') : 'Pending'
  return status?.certificate ? `${text},Issued` : text
}

/** Configuration, storage and rights. */
export const config: Printers = {
  '/Secret': {
    columns: ['Name', 'Type', 'Data', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      object.type ?? '',
      Object.keys(object.data ?? {}).length,
      created(object, now),
    ],
  },
  '/ConfigMap': {
    columns: ['Name', 'Data', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
      created(object, now),
    ],
  },
  '/ServiceAccount': {
    columns: ['Name', 'Secrets', 'Age'],
    cells: (object, now) => [object.metadata.name, object.secrets?.length ?? 0, created(object, now)],
  },
  '/PersistentVolume': {
    columns: [
      'Name',
      'Capacity',
      'Access Modes',
      'Reclaim Policy',
      'Status',
      'Claim',
      'StorageClass',
      'VolumeAttributesClass',
      'Reason',
      'Age',
      '*VolumeMode',
    ],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      return [
        metadata.name,
        spec.capacity?.storage ?? '0',
        modes(spec.accessModes),
        spec.persistentVolumeReclaimPolicy ?? '',
        metadata.deletionTimestamp ? 'Terminating' : (status.phase ?? ''),
        spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '',
        spec.storageClassName ?? '',
        spec.volumeAttributesClassName ?? '<unset>',
        status.reason ?? '',
        created(object, now),
        spec.volumeMode ?? '<unset>',
      ]
    },
  },
  '/PersistentVolumeClaim': {
    columns: [
      'Name',
      'Status',
      'Volume',
      'Capacity',
      'Access Modes',
      'StorageClass',
      'VolumeAttributesClass',
      'Age',
      '*VolumeMode',
    ],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      return [
        metadata.name,
        metadata.deletionTimestamp ? 'Terminating' : (status.phase ?? ''),
        spec.volumeName ?? '',
        spec.volumeName ? (status.capacity?.storage ?? '0') : '',
        spec.volumeName ? modes(status.accessModes) : '',
        spec.storageClassName ?? '',
        spec.volumeAttributesClassName ?? '<unset>',
        created(object, now),
        spec.volumeMode ?? '<unset>',
      ]
    },
  },
  'storage.k8s.io/StorageClass': {
    columns: ['Name', 'Provisioner', 'ReclaimPolicy', 'VolumeBindingMode', 'AllowVolumeExpansion:boolean', 'Age'],
    cells: (object, now) => {
      const standard = object.metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true'
      return [
        object.metadata.name + (standard ? ' (default)' : ''),
        object.provisioner,
        object.reclaimPolicy ?? 'Delete',
        object.volumeBindingMode ?? 'Immediate',
        object.allowVolumeExpansion ?? false,
        created(object, now),
      ]
    },
  },
  'rbac.authorization.k8s.io/Role': createdAt,
  'rbac.authorization.k8s.io/ClusterRole': createdAt,
  'rbac.authorization.k8s.io/RoleBinding': binding,
  'rbac.authorization.k8s.io/ClusterRoleBinding': binding,
  'certificates.k8s.io/CertificateSigningRequest': {
    columns: ['Name', 'Age', 'SignerName', 'Requestor', 'RequestedDuration', 'Condition'],
    cells: (object, now) => [
      object.metadata.name,
      created(object, now),
      object.spec.signerName || none,
      object.spec.username ?? '',
      object.spec.expirationSeconds === undefined ? none : humanAge(object.spec.expirationSeconds * 1000),
      csrCondition(object.status),
    ],
  },
}
