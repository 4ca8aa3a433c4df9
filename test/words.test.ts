/**
 * words.test - one word, one thing: words of more than one meaning, and the one meaning that each has in src
 *
 * English, mail software or older code use these words for several things. An identifier of src may contain a word only in the rooms of its
 * row. A use that stays elsewhere stands in `except` with its reason. A row without rooms names the words to use instead.
 * See also: GLOSSARY.md, CONTRIBUTING.md.
 */
import { expect, test } from 'vitest'
import { readSourceFiles } from './support/source-model.ts'

type Word = {
  /** The one meaning of the word, or what to say instead. */
  readonly means: string
  /** Where the word may be used; null: everywhere. */
  readonly rooms: readonly string[] | null
  /** `path#identifier` → why it stays. */
  readonly except?: Readonly<Record<string, string>>
}

const say = (words: string): Word => ({ means: `nothing; say ${words}`, rooms: [] })

const STORED = 'a released name in stored data or in an API'

const WORDS: Readonly<Record<string, Word>> = {
  // Words of the field, with their one meaning.
  lane: { means: 'a scheduled queue (glossary)', rooms: null },
  line: { means: 'a line of text', rooms: null },
  key: { means: 'what something is looked up by, or a cryptographic key; the words beside it say which', rooms: null },
  state: { means: 'where a state machine stands, or all that a long-lived function keeps', rooms: null },
  order: { means: 'a sequence, never a command', rooms: null },
  seen: { means: 'met before, so not new', rooms: null },
  rest: { means: 'what remains; a pause is a pause', rooms: null },
  step: { means: 'one of several actions or values in sequence', rooms: null },
  letter: {
    means: 'a letter of the alphabet; mail is a message',
    rooms: ['correlate', 'mail/mime', 'settings', 'webhook'],
  },
  mark: {
    means: 'to record that something has come to pass; a message is marked in the store before its attempt',
    rooms: ['service', 'store', 'net'],
    except: {
      'src/classify/phrase.ts#IGNORED_MARKS': 'punctuation, as Unicode calls it',
      'src/mail/smtp/reply-search.ts#mark': 'a quotation mark',
      'src/mail/smtp/reply-search.ts#findClosingMark': 'a quotation mark',
    },
  },
  hold: {
    means: 'to keep mail or list writes back for a time: an operator’s pause of a key, or held list writes of a site',
    rooms: ['ledger', 'queue', 'simulator', 'store', 'service'],
  },
  answer: {
    means: 'the answer of a DNS query, or a row of a simulated provider’s file; SMTP has replies, HTTP has responses',
    rooms: ['net', 'compose', 'simulator'],
    except: {
      'src/http/api/webhook-attempts.ts#answer': STORED,
      'src/service/notify/attempt-log.ts#answer': STORED,
      'src/service/notify/webhook-sender.ts#answer': STORED,
      'src/store/mail/submissions.ts#answer': STORED,
      'src/store/webhook/attempts.ts#answer': STORED,
    },
  },
  call: { means: 'one use of an operation of an API', rooms: ['http', 'service'] },
  page: { means: 'one page of a longer list, or a web page', rooms: ['http', 'service', 'store', 'commands'] },
  slot: { means: 'one of a fixed number of places', rooms: ['classify', 'http', 'queue', 'service', 'store', 'tracking'] },
  watch: {
    means: 'the counters that alerts read, or to follow events as they happen',
    rooms: ['ledger', 'store', 'daemon', 'commands'],
  },
  route: {
    means: 'an HTTP route, or the way of a mail to its next hop',
    rooms: ['http', 'smtp-client', 'queue', 'smtp-server', 'simulator/smtp', 'daemon'],
    except: {
      'src/ledger/project/delivery.ts#routeFields': 'the fields behind the column route_key',
      'src/ledger/project/delivery.ts#routeKey': STORED,
      'src/ledger/project/state.ts#routeKey': STORED,
      'src/mail/mime/address.ts#stripSourceRoute': 'the source route of RFC 5321 §4.1.1.3',
    },
  },
  // Words that say nothing of their own.
  turn: say('tick, share or iteration'),
  gate: say('authenticator, limit or key state'),
  said: {
    ...say('reply, response or text'),
    except: { 'src/http/api/queue-commands.ts#said': STORED, 'src/store/queue/commands.ts#said': STORED },
  },
  told: say('notification, response or outcome'),
  heard: say('reply, result or delivered'),
  world: say('state, context or ledger'),
  room: say('capacity or limit'),
  desk: say('service'),
  shop: say('context'),
  book: say('cache'),
  hand: say('operator or manual'),
  cut: say('block or truncate'),
  brake: say('mass-bounce guard'),
  lift: { ...say('reactivate or remove'), except: { 'src/ledger/facts/report-facts.ts#lifts': STORED } },
  door: say('listener, endpoint or entry'),
  wish: say('options or request'),
  walk: say('scan or visit'),
  parcel: say('packed message'),
  clue: say('reference or hint'),
  stock: say('queue state'),
  hearing: say('reading or feedback'),
  chore: say('scheduled job'),
  house: say('provider server'),
  guest: say('connection'),
  outline: say('header set'),
  tally: say('count'),
  roll: say('random number'),
  sweep: say('garbage collection'),
  scene: say('scenario or run'),
}

const FILES = readSourceFiles('src')

const wordsIn = (identifier: string): string[] =>
  identifier
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase()
    .split(' ')

/** The uses of a word outside of its rooms: `path#identifier`. */
function strayUses(word: string, { rooms }: Word): string[] {
  if (rooms === null) return []
  return FILES.filter(({ path }) => !rooms.some((room) => path.startsWith(`src/${room}/`))).flatMap(({ path, identifiers }) =>
    identifiers.filter((each) => wordsIn(each).some((part) => part === word || part === `${word}s`)).map((each) => `${path}#${each}`),
  )
}

test.each(Object.entries(WORDS))('"%s" means one thing', (word, row) => {
  const strays = strayUses(word, row)
  expect(strays.filter((use) => row.except?.[use] === undefined)).toEqual([])
  expect(Object.keys(row.except ?? {}).filter((use) => !strays.includes(use))).toEqual([])
})

test('the table sees a word inside a name', () => {
  expect(wordsIn('readLaneName')).toEqual(['read', 'lane', 'name'])
  expect(wordsIn('MAX_PAGE_ROWS')).toEqual(['max', 'page', 'rows'])
})
