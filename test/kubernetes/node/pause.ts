import { assembleImage, buildLayer, openLayout, openRegistry } from '#image'

/** The name in the registry of the image whose process holds the namespaces of a pod. */
export const pauseImage = 'pause:1'

/** Assembles the image `pause` under `directory` and pushes it. */
export async function pushPause(directory: string, url: string): Promise<void> {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const layout = openLayout(directory)
  const data = waitingProgram(architecture)
  const layer = await buildLayer(layout, [{ path: 'pause', kind: 'file', data, executable: true }])
  const image = assembleImage(layout, { layers: [layer], config: { entrypoint: ['/pause'] }, architecture })
  const [name, tag] = pauseImage.split(':')
  await openRegistry({ url }).push(layout, image.digest, name, tag)
}

/** An ELF program (System V ABI, gABI chapter 4) of one segment that waits for signals for ever: no compiler is needed for it. */
export function waitingProgram(architecture: 'amd64' | 'arm64'): Buffer {
  const code =
    architecture === 'amd64'
      ? // mov eax, 34 (pause); syscall; jmp back
        Buffer.from('b8220000000f05ebf7', 'hex')
      : // x0 … x3 = 0; x8 = 73 (ppoll); svc 0; b back
        words(0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa)
  const base = 0x400000n
  const headers = 64 + 56
  const file = Buffer.alloc(headers + code.length)
  // 64 bits, little-endian, version 1; an executable
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeUInt16LE(2, 16)
  file.writeUInt16LE(architecture === 'amd64' ? 62 : 183, 18)
  file.writeUInt32LE(1, 20)
  file.writeBigUInt64LE(base + BigInt(headers), 24) // entry
  file.writeBigUInt64LE(64n, 32) // where the program header is
  file.writeUInt16LE(64, 52)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(1, 56)
  file.writeUInt16LE(64, 58)
  // PT_LOAD, readable and executable, the whole file
  file.writeUInt32LE(1, 64)
  file.writeUInt32LE(5, 68)
  file.writeBigUInt64LE(base, 80)
  file.writeBigUInt64LE(base, 88)
  file.writeBigUInt64LE(BigInt(file.length), 96)
  file.writeBigUInt64LE(BigInt(file.length), 104)
  file.writeBigUInt64LE(0x1000n, 112)
  code.copy(file, headers)
  return file
}

function words(...instructions: number[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 4)
  for (const [index, word] of instructions.entries()) bytes.writeUInt32LE(word, index * 4)
  return bytes
}
