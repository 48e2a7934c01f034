import type { Api, ApiRequest, ApiResponse } from '../request.ts'

export async function openapi(_: Api, __: ApiRequest): Promise<ApiResponse | undefined> {
  return undefined
}
