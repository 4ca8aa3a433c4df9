/**
 * password-input - reads a new password or key from the terminal without showing it, or from standard input
 *
 * See also: commands/account/user, commands/account/event-source.
 */
import { Fault } from '../../errors.ts'

const [ENTER, NEWLINE, INTERRUPT, END, BACKSPACE, DELETE] = ['\r', '\n', '\u0003', '\u0004', '\b', '\u007F']

/** Asks twice on a terminal; reads the first line elsewhere. `what`: for the prompt and the messages. Faults: bad_request (the two differ, or nothing is given). */
export async function readNewSecret(what: 'password' | 'key'): Promise<string> {
  if (!process.stdin.isTTY) return readFirstLine(what)
  const secret = await askHidden(`${what}: `, what)
  if ((await askHidden('again: ', what)) !== secret) throw new Fault('bad_request', `the two ${what}s differ`)
  return secret
}

async function readFirstLine(what: string): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) text += String(chunk)
  const [line = ''] = text.split(/\r?\n/)
  if (line === '') throw new Fault('bad_request', `standard input has no ${what}`)
  return line
}

/** Reads one line in raw mode, so that the terminal shows nothing. Ctrl-C ends it with a Fault. */
function askHidden(prompt: string, what: string): Promise<string> {
  const { stdin, stderr } = process
  stderr.write(prompt)
  stdin.setRawMode(true).resume().setEncoding('utf8')
  return new Promise((resolve, reject) => {
    let text = ''
    const finish = (settle: () => void): void => {
      stdin.off('data', onData).pause().setRawMode(false)
      stderr.write('\n')
      settle()
    }
    const onData = (chunk: string): void => {
      for (const key of chunk) {
        if (key === INTERRUPT || key === END) return finish(() => reject(new Fault('bad_request', `no ${what} was given`)))
        if (key === ENTER || key === NEWLINE) return finish(() => resolve(text))
        text = key === BACKSPACE || key === DELETE ? text.slice(0, -1) : text + key
      }
    }
    stdin.on('data', onData)
  })
}
