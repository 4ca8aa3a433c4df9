/**
 * user - adds, lists, changes and removes the users of the console
 *
 * A new user gets a one-time link, or a password that is asked for on the terminal or read from standard input.
 *
 * See also: service/users/users, docs/CONSOLE.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand, type CommandContext, type CommandOutput } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { consoleLinkOf } from '../../http/console/page-shell.ts'
import { ROLE_NAMES } from '../../service/users/roles.ts'
import { createUserService, LINK_HOURS } from '../../service/users/users.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns } from '../output.ts'
import { readNewSecret } from './password-input.ts'

const actor = 'operator'
const nameSchema = z.object({ name: z.string() })
const withPassword = nameSchema.extend({ password: z.string().nullable() })

const addCommand = defineStoreCommand(
  'user add',
  withPassword.extend({ role: z.string() }),
  async (on, { name, role, password }, output) => {
    await createUserService(on.context).add({ name, role: parseRole(role), password, actor })
    await (password === null ? printLink(on, name, output) : output.printLines(`user ${name}   role ${role}`))
  },
)

const listCommand = defineStoreCommand('user list', z.object({}), async ({ context }, _input, output) => {
  const users = await createUserService(context).list()
  const rows = users.map(({ name, role, hasPassword, disabledAt, signedInAt, sessions }) => [
    name,
    role,
    disabledAt !== null ? 'disabled' : hasPassword ? 'active' : 'link not used yet',
    String(sessions),
    signedInAt === null ? 'never' : new Date(signedInAt).toISOString(),
  ])
  await output.printLines(...formatColumns([['name', 'role', 'state', 'sessions', 'signed in'], ...rows]))
})

const passwordCommand = defineStoreCommand('user password', withPassword, async (on, { name, password }, output) => {
  if (password === null) return printLink(on, name, output)
  await createUserService(on.context).setPassword({ name, password, actor })
  await output.printLines(`${name}: the password is set; every session of this user has ended`)
})

const roleCommand = defineStoreCommand(
  'user role',
  nameSchema.extend({ role: z.string() }),
  async ({ context }, { name, role }, output) => {
    await createUserService(context).change({ name, role: parseRole(role), actor })
    await output.printLines(`${name}: ${role}`)
  },
)

const disableCommand = defineStoreCommand(
  'user disable',
  nameSchema.extend({ disabled: z.boolean() }),
  async ({ context }, { name, disabled }, output) => {
    await createUserService(context).change({ name, isDisabled: disabled, actor })
    await output.printLines(`${name}: ${disabled ? 'disabled; every session of this user has ended' : 'may sign in again'}`)
  },
)

const removeCommand = defineStoreCommand('user remove', nameSchema, async ({ context }, { name }, output) => {
  await createUserService(context).remove({ name, actor })
  await output.printLines(`${name}: removed`)
})

export const USER_COMMANDS = [addCommand, disableCommand, listCommand, passwordCommand, removeCommand, roleCommand] as const

async function printLink({ context }: CommandContext, name: string, output: CommandOutput): Promise<void> {
  const link = consoleLinkOf(context.publicUrl, await createUserService(context).createLink({ name, actor }))
  await output.printLines(`${name} chooses a password here, once, within ${LINK_HOURS} hours:`, `  ${link}`)
}

/** Faults: bad_request. */
function parseRole(text: string): (typeof ROLE_NAMES)[number] {
  const role = ROLE_NAMES.find((each) => each === text)
  if (role === undefined) throw new Fault('bad_request', `a role is ${ROLE_NAMES.join(', ')}`)
  return role
}

type PasswordOptions = { readonly ask?: true; readonly stdin?: true }

const readPassword = async ({ ask, stdin }: PasswordOptions): Promise<string | null> =>
  ask === true || stdin === true ? readNewSecret('password') : null

export const userCommand: DefineCommand = (command) => {
  const define = (name: string, summary: string): Command => command.command(name).summary(summary).argument('<name>')
  const definePassword = (name: string, summary: string): Command =>
    define(name, summary)
      .option('--ask', 'ask for the password on the terminal (default: print a one-time link)')
      .option('--stdin', 'read the password from standard input')
  definePassword('add', 'add a user')
    .requiredOption('--role <role>', 'admin, operator or viewer')
    .action(async (name: string, { role, ...options }: PasswordOptions & { readonly role: string }, self: Command) => {
      parseRole(role)
      await runStoreCommand(self, addCommand, { name, role, password: await readPassword(options) })
    })
  command
    .command('list')
    .summary('print every user')
    .action((_options: object, self: Command) => runStoreCommand(self, listCommand, {}))
  definePassword('password', 'set a new password, or print a link with which the user does').action(
    async (name: string, options: PasswordOptions, self: Command) =>
      runStoreCommand(self, passwordCommand, { name, password: await readPassword(options) }),
  )
  define('role', 'change the role of a user')
    .argument('<role>', 'admin, operator or viewer')
    .action((name: string, role: string, _options: object, self: Command) => runStoreCommand(self, roleCommand, { name, role }))
  define('disable', 'forbid a user to sign in, and end the sessions')
    .option('--undo', 'allow it again')
    .action((name: string, { undo }: { readonly undo?: true }, self: Command) =>
      runStoreCommand(self, disableCommand, { name, disabled: undo !== true }),
    )
  define('remove', 'remove a user').action((name: string, _options: object, self: Command) =>
    runStoreCommand(self, removeCommand, { name }),
  )
}
