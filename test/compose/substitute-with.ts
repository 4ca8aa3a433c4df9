/**
 * substitute-with - substitutes the variables of one recipient, for the tests of texts and mails
 */
import { createSubstitutionTemplate, type SubstituteText, type Variables } from '../../src/compose/substitute.ts'

/** Binds a template with these sections to these variables. */
export function substituteWith(variables: Variables, sections: Variables = {}, maxLength?: number): SubstituteText {
  return createSubstitutionTemplate({ names: Object.keys(variables), sections }, maxLength).bind(variables)
}
