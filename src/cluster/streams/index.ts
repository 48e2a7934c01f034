export { offered, refuse, upgradeOf } from './handshake.ts'
export { acceptPortForward, type Dial, splice } from './port-forward.ts'
export {
  acceptRemoteCommand,
  type CommandStatus,
  exitStatus,
  failureStatus,
  type RemoteStreams,
  type StreamRequest,
  type TerminalSize,
} from './remote-command.ts'
