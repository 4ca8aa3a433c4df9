/**
 * inbox - prints the mails that wait for a person, or one of them raw
 *
 * See also: web/inbox.
 */
import type { Command } from 'commander'
import { Fault } from '../error.ts'
import { inboxPageForOperator } from '../store/inbox.ts'
import type { InboxCursor } from '../store/inbox.ts'
import { getRawMailForOperator } from '../store/rawmail.ts'
import type { Define } from './define.ts'
import { withStore } from './store.ts'
import { columns, oneLine, say } from './terminal.ts'

const PAGE = 1_000

export const inbox: Define = (command) => {
  command
    .argument('[id]', 'write the raw mail of this id to standard output')
    .option('--all', 'also what was accepted, discarded, linked or replayed')
    .action(async (id: string | undefined, options: { all?: true }, self: Command) =>
      id === undefined ? list(options.all === true, self) : raw(id, self),
    )
}

async function list(all: boolean, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    let after: InboxCursor | null = null
    let count = 0
    for (;;) {
      const page = { limit: PAGE, ...(after === null ? {} : { after }) }
      const rows = await inboxPageForOperator(shop.engine.read, all ? {} : { state: 'open' }, page)
      say(
        ...columns(
          rows.map((row) => [
            row.digest,
            new Date(row.receivedAt).toISOString(),
            String(row.account),
            row.reason,
            row.kind,
            oneLine(`${row.from ?? '<>'}: ${row.subject ?? ''}`, 80),
          ]),
        ),
      )
      count += rows.length
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE) break
      after = { receivedAt: last.receivedAt, digest: last.digest }
    }
    say(`${count} mails`)
  })
}

async function raw(id: string, self: Command): Promise<void> {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Fault('bad_request', 'an id is 64 hex digits')
  await withStore(self, async ({ shop }) => {
    const mail = await getRawMailForOperator(shop.engine.read, id)
    if (mail === null) throw new Fault('not_found', 'there is no such mail, or its raw form is no longer kept')
    // The mail as it came: whoever asks for bytes gets bytes.
    process.stdout.write(mail)
  })
}
