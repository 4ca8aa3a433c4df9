/**
 * password-input - reads a new password from the terminal without showing it, or from standard input
 *
 * See also: commands/account/user.
 */
import { Fault } from '../../errors.ts'

const [ENTER, NEWLINE, INTERRUPT, END, BACKSPACE, DELETE] = ['\r', '\n', '\u0003', '\u0004', '\b', '\u007F']

/** Asks twice on a terminal; reads the first line elsewhere. Faults: bad_request (the two differ, or nothing is given). */
export async function readNewPassword(): Promise<string> {
  if (!process.stdin.isTTY) return readFirstLine()
  const password = await askHidden('password: ')
  if ((await askHidden('again: ')) !== password) throw new Fault('bad_request', 'the two passwords differ')
  return password
}

async function readFirstLine(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) text += String(chunk)
  const [line = ''] = text.split(/\r?\n/)
  if (line === '') throw new Fault('bad_request', 'standard input has no password')
  return line
}

/** Reads one line in raw mode, so that the terminal shows nothing. Ctrl-C ends it with a Fault. */
function askHidden(prompt: string): Promise<string> {
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
        if (key === INTERRUPT || key === END) return finish(() => reject(new Fault('bad_request', 'no password was given')))
        if (key === ENTER || key === NEWLINE) return finish(() => resolve(text))
        text = key === BACKSPACE || key === DELETE ? text.slice(0, -1) : text + key
      }
    }
    stdin.on('data', onData)
  })
}
