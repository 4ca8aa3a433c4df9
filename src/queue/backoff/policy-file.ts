/**
 * policy-file - a pause policy as a file: one of ours by name, and what is different about it
 *
 *     name = "gentle"
 *     base = "default"             # or "spec", "never", "fixed"
 *     probes = true
 *     adapts = true
 *     ladder = [0.1, 0.25, 0.5, 1]
 *     forget_hours = 24
 *
 *     [class.ip-rate]              # any pause class
 *     first = "pause"              # or "throttle"
 *     base_minutes = 30
 *     growth = 2                   # each further pause is so many times as long, …
 *     cap_minutes = 720            # … up to this
 *     threshold = 3                # answers of the class in the window of its first measure, …
 *     ratio = 0.05                 # … their share of the attempts, …
 *     floor = 20                   # … and from so many attempts on
 *     halves = "ip"                # a hit halves what this key has learnt; or "senderDomain", "connection"
 *
 * Unknown keys are refused, and every bad input is named. Pure. See also: queue/backoff/policy, queue/backoff/backoff-classes.
 */
import * as z from 'zod'
import { CLASSES, type ClassName, type ClassRow } from './backoff-classes.ts'
import { POLICIES, type Policy } from './policy.ts'
import { invalidFile, schemaProblems } from '../../invalid-file.ts'

const MINUTE_MS = 60_000

const classSchema = z.strictObject({
  first: z.enum(['throttle', 'pause']).optional(),
  base_minutes: z.number().positive().max(100_000).optional(),
  growth: z.number().min(1).max(10).optional(),
  cap_minutes: z.number().positive().max(100_000).optional(),
  threshold: z.int().min(1).optional(),
  ratio: z.number().min(0).max(1).optional(),
  floor: z.int().min(1).optional(),
  halves: z.enum(['ip', 'senderDomain', 'connection']).optional(),
})

const isClass = (name: string): name is ClassName => Object.hasOwn(CLASSES, name)

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

type ClassFile = z.infer<typeof classSchema>

/** Reads a policy. Throws config_invalid, one line for each thing that is wrong. */
export function readPolicy(file: string, data: unknown): Policy {
  const read = schema.safeParse(data)
  if (!read.success) throw invalidFile(file, schemaProblems(read.error))
  const { name, base, probes, adapts, ladder, forget_hours: forgetHours, class: classes } = read.data
  const strangers = Object.keys(classes).filter((each) => !isClass(each))
  if (strangers.length > 0)
    throw invalidFile(
      file,
      strangers.map((each) => `class.${each}: there is no such pause class; there are ${Object.keys(CLASSES).join(', ')}`),
    )
  const from: Policy = POLICIES[base]
  return {
    ...from,
    name,
    probes: probes ?? from.probes,
    adapts: adapts ?? from.adapts,
    ladder: ladder ?? from.ladder,
    forgetMs: forgetHours === undefined ? from.forgetMs : forgetHours * 60 * MINUTE_MS,
    classes: changed(from.classes, classes),
  }
}

function changed(classes: Policy['classes'], files: Readonly<Record<string, ClassFile>>): Policy['classes'] {
  return Object.entries(files).reduce(
    (all, [name, file]) => (isClass(name) ? { ...all, [name]: changedClass(all[name], file) } : all),
    classes,
  )
}

function changedClass(row: ClassRow, file: ClassFile): ClassRow {
  const [first, ...others] = row.measures
  const { threshold, ratio, floor } = file
  const measure =
    first === undefined
      ? []
      : [{ ...first, threshold: threshold ?? first.threshold, ratio: ratio ?? first.ratio, floor: floor ?? first.floor }]
  return {
    ...row,
    measures: [...measure, ...others],
    first: file.first ?? row.first,
    halves: file.halves ?? row.halves,
    baseMs: file.base_minutes === undefined ? row.baseMs : file.base_minutes * MINUTE_MS,
    growth: file.growth ?? row.growth,
    capMs: file.cap_minutes === undefined ? row.capMs : file.cap_minutes * MINUTE_MS,
  }
}
