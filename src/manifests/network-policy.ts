import type { KubeObject } from '#kube'
import { appLabel, metadata, objectName, selector } from './names.ts'
import { portName } from './pod.ts'
import type { CompileInput } from './types.ts'

/** Where clouds serve a machine's credentials (and the rest of link-local). */
const linkLocal = { v4: '169.254.0.0/16', v6: ['fe80::/10', 'fd00:ec2::254/128'] }

/**
 * Nothing in or out of the namespace but: the app's own pods among each other, DNS, anywhere out except link-local
 * addresses, and in to the port of `web`, which is public by its Ingress (routers may run on a node's own network, where
 * no pod selector finds them).
 */
export function networkPolicies(input: CompileInput): KubeObject[] {
  const ours = { podSelector: { matchLabels: { [appLabel]: input.app } } }
  const policies = [
    policy(input, `${input.app}-default-deny`, undefined, {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    }),
    policy(input, `${input.app}-allow`, undefined, {
      ...ours,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [ours] }],
      egress: [
        { to: [ours] },
        {
          ports: [
            { protocol: 'UDP', port: 53 },
            { protocol: 'TCP', port: 53 },
          ],
        },
        {
          to: [
            { ipBlock: { cidr: '0.0.0.0/0', except: [linkLocal.v4] } },
            { ipBlock: { cidr: '::/0', except: linkLocal.v6 } },
          ],
        },
      ],
    }),
  ]
  if (input.spec.processes.web) {
    policies.push(
      policy(input, objectName(input.app, 'web'), 'web', {
        podSelector: { matchLabels: selector(input.app, 'web') },
        policyTypes: ['Ingress'],
        ingress: [{ ports: [{ protocol: 'TCP', port: portName('web') }] }],
      }),
    )
  }
  return policies
}

function policy(input: CompileInput, name: string, process: string | undefined, spec: object): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadata(input, name, process),
    spec,
  }
}
