import { FrameTrack, serviceRestart } from './frames.ts'

/** What an app sends over an upgraded connection, and the router's own last word in it: 1012, come back. */
export class TunnelOutput {
  /** Of websockets only: nothing can be said in between of another protocol. */
  readonly #frames: FrameTrack | undefined
  #leaving = false
  /** The tick at which the client was told to come back; 0: it was not. */
  leftAt = 0

  constructor(protocol: string) {
    this.#frames = /^websocket$/i.test(protocol) ? new FrameTrack() : undefined
  }

  get websocket(): boolean {
    return this.#frames !== undefined
  }

  /** Where that ends which goes to the client: before the end only when the pod leaves, at the end of a frame. */
  follow(buffer: Buffer, start: number, stop: number): number {
    if (this.leftAt > 0) return start
    return this.#frames?.feed(buffer, start, stop, this.#leaving) ?? stop
  }

  /** From now on the end of a frame is waited for. */
  leave(): void {
    this.#leaving = true
  }

  get atEndOfLeaving(): boolean {
    return this.#leaving && this.#frames?.between === true
  }

  /** A close frame of the router's own, where one may be; it is given once. */
  restart(tick: number): string | undefined {
    const frames = this.#frames
    if (!frames?.between || frames.closing || this.leftAt > 0) return undefined
    this.leftAt = Math.max(1, tick)
    return serviceRestart
  }
}
