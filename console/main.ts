/**
 * main - the first module of the console: shows the application in the document
 *
 * See also: console/README.md.
 */
import { html, render } from 'htm/preact'

const root = document.getElementById('console')
if (root !== null) render(html`<main><h1>bounced</h1></main>`, root)
