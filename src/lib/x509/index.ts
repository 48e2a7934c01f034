export { type Issued, issue, issueAuthority, type Subject } from './issue.ts'
