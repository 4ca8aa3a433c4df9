/**
 * html - templates of the pages, and the type of what they show
 *
 * See also: console/README.md.
 */
import { html as template } from 'htm/preact'
import type { ComponentChildren, VNode } from 'preact'

export const html = template
export type Child = ComponentChildren
export type View = VNode | null
