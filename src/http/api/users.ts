/**
 * users - routes for the administrators of the console: users, their roles, links and sessions
 *
 * See also: service/users/users, service/users/roles, http/api/session.
 */
import { z } from 'zod'
import { ROLE_NAMES } from '../../service/users/roles.ts'
import { LINK_HOURS, type UserService, type UserView } from '../../service/users/users.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { strictObject } from '../server/schemas.ts'

export type UserRouteDependencies = {
  readonly users: UserService
  readonly authorizer: Authorizer
  /** The URL of the console's page that takes a link's token. */
  readonly linkUrlOf: (token: string) => string
}

const userView = z.object({
  name: z.string(),
  role: z.enum(ROLE_NAMES),
  createdAt: z.string().nullable(),
  disabledAt: z.string().nullable().describe('Null: the user may sign in'),
  signedInAt: z.string().nullable(),
  hasPassword: z.boolean().describe('False: the user has not used the link yet'),
  sessions: z.int().describe('In how many browsers the user is signed in'),
})

const linkView = z.object({ url: z.string().describe('Shown once; whoever opens it chooses the password'), hours: z.int() })

const tags = ['users']
const querystring = strictObject({})
const params = z.object({ name: z.string().min(1).max(128) })
const config = { permission: 'administer' } as const
const roleSchema = z
  .enum(ROLE_NAMES)
  .describe('viewer sees everything, operator does the daily work, admin manages users, accounts and keys')

export function addUserRoutes(server: HttpServer, dependencies: UserRouteDependencies): void {
  addUserListRoutes(server, dependencies)
  addUserChangeRoutes(server, dependencies)
}

function addUserListRoutes(server: HttpServer, { users, authorizer, linkUrlOf }: UserRouteDependencies): void {
  const list = { summary: 'List the users of the console', tags, querystring, response: { 200: z.object({ users: z.array(userView) }) } }
  server.get('/v1/users', { schema: list, config }, async (request) => {
    await authorizer.requireOperator(request)
    return { users: (await users.list()).map(toUserView) }
  })
  const body = strictObject({ name: z.string().min(1).max(128), role: roleSchema }).meta({ examples: [{ name: 'ann', role: 'operator' }] })
  const add = { summary: 'Add a user, who chooses a password with a one-time link', tags, querystring, body, response: { 201: linkView } }
  server.post('/v1/users', { schema: add, config }, async (request, reply) => {
    const { actor } = await authorizer.requireOperator(request)
    const { name, role } = request.body
    await users.add({ name, role, password: null, actor })
    void reply.code(201)
    return { url: linkUrlOf(await users.createLink({ name, actor })), hours: LINK_HOURS }
  })
}

function addUserChangeRoutes(server: HttpServer, { users, authorizer, linkUrlOf }: UserRouteDependencies): void {
  const body = strictObject({ role: roleSchema.optional(), disabled: z.boolean().optional() }).meta({ examples: [{ role: 'viewer' }] })
  const response = { 200: z.object({ name: z.string() }) }
  const change = { summary: 'Change the role of a user, or whether the user may sign in', tags, querystring, params, body, response }
  server.patch('/v1/users/:name', { schema: change, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    const { role, disabled } = request.body
    const { name } = request.params
    await users.change({
      name,
      ...(role === undefined ? {} : { role }),
      ...(disabled === undefined ? {} : { isDisabled: disabled }),
      actor,
    })
    return { name }
  })
  const remove = { summary: 'Remove a user', tags, querystring, params, response }
  server.delete('/v1/users/:name', { schema: remove, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    await users.remove({ name: request.params.name, actor })
    return { name: request.params.name }
  })
  const link = {
    summary: 'Make a one-time link with which a user chooses a new password',
    tags,
    querystring,
    params,
    response: { 200: linkView },
  }
  server.post('/v1/users/:name/link', { schema: link, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    return { url: linkUrlOf(await users.createLink({ name: request.params.name, actor })), hours: LINK_HOURS }
  })
  const ended = { 200: z.object({ ended: z.int() }) }
  const signOut = { summary: 'Sign a user out everywhere', tags, querystring, params, response: ended }
  server.delete('/v1/users/:name/sessions', { schema: signOut, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    return { ended: await users.signOutEverywhere({ name: request.params.name, actor }) }
  })
}

function toUserView(user: UserView): z.output<typeof userView> {
  const { name, role, hasPassword, sessions } = user
  const [createdAt, disabledAt, signedInAt] = [user.createdAt, user.disabledAt, user.signedInAt].map(toIsoTimestamp)
  return { name, role, createdAt: createdAt ?? null, disabledAt: disabledAt ?? null, signedInAt: signedInAt ?? null, hasPassword, sessions }
}
