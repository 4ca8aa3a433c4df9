/**
 * sink - a child process with a bare smtp-server that discards mail, to compare intake with
 *
 * Prints its port. bench/intake starts it.
 */
import { SMTPServer } from 'smtp-server'

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  onData: (stream, _session, done) => {
    stream.resume()
    stream.on('end', () => done())
  },
})
server.listen(0, '127.0.0.1', () => {
  const address = server.server.address()
  console.log(address !== null && typeof address === 'object' ? address.port : 0)
})
