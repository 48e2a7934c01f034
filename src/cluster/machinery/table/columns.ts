import { cluster } from './cluster.ts'
import { config } from './config.ts'
import { network } from './network.ts'
import type { Printers } from './printer.ts'
import { workloads } from './workloads.ts'

/** The columns of kubectl get for every built-in kind that has its own. */
export const printers: Printers = { ...workloads, ...network, ...cluster, ...config }
