/**
 * settings - the settings in force, where each comes from, and why its default is what it is
 *
 * Secrets are not shown. See also: settings/display, commands/config.
 */
import { z } from 'zod'
import type { SettingInForce } from '../../services/setting-in-force.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'

type SettingsRouteDependencies = { readonly listSettings: () => readonly SettingInForce[]; readonly authorizer: Authorizer }

const settingView = z.object({
  path: z.string(),
  variable: z.string().describe('The environment variable that sets it'),
  text: z.string().describe('The value; `-` if there is none'),
  source: z.string().describe('default, file or environment'),
  what: z.string(),
  why: z.string().describe('The reason of its default'),
})

export function addSettingsRoutes(server: HttpServer, { listSettings, authorizer }: SettingsRouteDependencies): void {
  const schema = {
    summary: 'List the settings in force',
    tags: ['operator'],
    querystring: strictObject({}),
    response: { 200: z.object({ settings: z.array(settingView) }) },
  }
  server.get('/v1/settings', { schema }, async (request) => {
    await authorizer.requireOperator(request)
    return { settings: listSettings().map(({ path, variable, text, source, what, why }) => ({ path, variable, text, source, what, why })) }
  })
}
