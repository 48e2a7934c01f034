/** That of the Kubernetes we serve, built from source: protobuf, OpenAPI v3, aggregated discovery, watched lists. */
import { testKubectl } from './kubectl-uses.ts'

testKubectl('kubectl-go')
