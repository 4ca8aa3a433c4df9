/**
 * policy-file - reads a backoff policy from a TOML file: a built-in policy by name, and what differs from it
 *
 *     name = "gentle"
 *     base = "default"             # or "spec", "never", "fixed"
 *     probes = true
 *     adapts = true
 *     ladder = [0.1, 0.25, 0.5, 1]
 *     forget_hours = 24
 *
 *     [class.ip-rate]              # any backoff class
 *     first = "pause"              # or "throttle"
 *     base_minutes = 30
 *     growth = 2                   # factor of each further pause
 *     cap_minutes = 720            # the longest pause
 *     threshold = 3                # hits of the class in the window of its first measure
 *     ratio = 0.05                 # their share of the attempts
 *     floor = 20                   # the least number of attempts
 *     halves = "ip"                # a hit halves the learnt limit of this key; or "senderDomain", "connection"
 *
 * Unknown members are refused, and the error names every invalid one. Pure. See also: queue/backoff/policy, queue/backoff/backoff-classes.
 */
import * as z from 'zod'
import { BACKOFF_CLASSES, type BackoffClassName, type BackoffClassRow, FIRST_ACTIONS, LEARNING_KEYS } from './backoff-classes.ts'
import { BACKOFF_POLICIES, type BackoffPolicy } from './policy.ts'
import { invalidFile, schemaProblems } from '../../invalid-file.ts'

const MINUTE_MS = 60_000

export const classSchema = z.strictObject({
  first: z.enum(FIRST_ACTIONS).optional(),
  base_minutes: z.number().positive().max(100_000).optional(),
  growth: z.number().min(1).max(10).optional(),
  cap_minutes: z.number().positive().max(100_000).optional(),
  threshold: z.int().min(1).optional(),
  ratio: z.number().min(0).max(1).optional(),
  floor: z.int().min(1).optional(),
  halves: z.enum(LEARNING_KEYS).optional(),
})

const isBackoffClass = (name: string): name is BackoffClassName => Object.hasOwn(BACKOFF_CLASSES, name)

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'is not lower-case kebab-case')
    .max(40),
  base: z.enum(['default', 'spec', 'never', 'fixed']),
  probes: z.boolean().optional(),
  adapts: z.boolean().optional(),
  ladder: z.array(z.number().positive().max(1)).min(1).max(10).optional(),
  forget_hours: z.number().positive().max(1_000).optional(),
  class: z.record(z.string(), classSchema).default({}),
})

type ClassOverride = z.infer<typeof classSchema>

/** Reads a policy. `file` is for messages. Throws config_invalid with one line per problem. */
export function readPolicyFile(file: string, data: unknown): BackoffPolicy {
  const read = schema.safeParse(data)
  if (!read.success) throw invalidFile(file, schemaProblems(read.error))
  const { name, base, probes, adapts, ladder, forget_hours: forgetHours, class: classes } = read.data
  const unknownClasses = Object.keys(classes).filter((each) => !isBackoffClass(each))
  if (unknownClasses.length > 0)
    throw invalidFile(
      file,
      unknownClasses.map((each) => `class.${each}: no such backoff class; the classes are ${Object.keys(BACKOFF_CLASSES).join(', ')}`),
    )
  const basePolicy: BackoffPolicy = BACKOFF_POLICIES[base]
  return {
    ...basePolicy,
    name,
    probes: probes ?? basePolicy.probes,
    adapts: adapts ?? basePolicy.adapts,
    ladder: ladder ?? basePolicy.ladder,
    forgetMs: forgetHours === undefined ? basePolicy.forgetMs : forgetHours * 60 * MINUTE_MS,
    classes: mergeClasses(basePolicy.classes, classes),
  }
}

export function mergeClasses(
  classes: BackoffPolicy['classes'],
  overrides: Readonly<Record<string, ClassOverride>>,
): BackoffPolicy['classes'] {
  return Object.entries(overrides).reduce(
    (all, [name, file]) => (isBackoffClass(name) ? { ...all, [name]: mergeClass(all[name], file) } : all),
    classes,
  )
}

function mergeClass(backoffClass: BackoffClassRow, file: ClassOverride): BackoffClassRow {
  const [first, ...others] = backoffClass.measures
  const { threshold, ratio, floor } = file
  const measure =
    first === undefined
      ? []
      : [{ ...first, threshold: threshold ?? first.threshold, ratio: ratio ?? first.ratio, floor: floor ?? first.floor }]
  return {
    ...backoffClass,
    measures: [...measure, ...others],
    firstAction: file.first ?? backoffClass.firstAction,
    halves: file.halves ?? backoffClass.halves,
    baseMs: file.base_minutes === undefined ? backoffClass.baseMs : file.base_minutes * MINUTE_MS,
    growth: file.growth ?? backoffClass.growth,
    capMs: file.cap_minutes === undefined ? backoffClass.capMs : file.cap_minutes * MINUTE_MS,
  }
}
