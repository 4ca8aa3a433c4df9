/**
 * disputed-labels - labels of the corpora that are held to be wrong, with the reason
 *
 * Nothing is fitted to them. The scores count them like any other label.
 */
export const DISPUTED_LABELS: ReadonlyMap<string, string> = new Map([
  ['cws/fbl_hotmail_002.eml', 'a Postfix report of an unknown mailbox, labelled complaint'],
  ['sisimai/not--rb-issue-368-bug.eml', 'a notice that the mailbox of the recipient is full, labelled other'],
  ['exim-testsuite/0095.userx--018.eml', 'a warning to the owner of a mailbox about its size, labelled bounce'],
  ['exim-testsuite/4133.me--113.eml', 'a notice that a message was frozen on arrival, labelled bounce'],
  ['exim-testsuite/4133.me--114.eml', 'a notice that a message was frozen on arrival, labelled bounce'],
  ['exim-testsuite/4160.CALLER--128.eml', 'advice about a delivered message, labelled bounce'],
  ['misc-bounce/hyvor--dsn_invalid_content_type.txt', 'one header field and nothing else, labelled bounce'],
  ['sisimai/lhost-fml-03.eml', 'an alert to the owner of a list, labelled bounce'],
  ['sisimai/lhost-sendmail-14.eml', 'a bounce that a person forwards inline, labelled bounce'],
])
